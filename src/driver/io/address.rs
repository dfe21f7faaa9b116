//! Kinds of sockets, and their addresses.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;

use socket2::{Domain, SockAddr, Type};

/// A kind of socket: its public type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixListener,
    UnixStream,
    UnixDatagram,
}

/// The address of a socket.
#[derive(Clone)]
pub(crate) enum Address {
    Ip(SocketAddr),
    Unix(UnixAddr),
}

impl Kind {
    /// Returns the name of the public type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::TcpListener => "TcpListener",
            Kind::TcpStream => "TcpStream",
            Kind::UdpSocket => "UdpSocket",
            Kind::UnixListener => "UnixListener",
            Kind::UnixStream => "UnixStream",
            Kind::UnixDatagram => "UnixDatagram",
        }
    }

    pub(super) fn socket_type(self) -> Type {
        match self {
            Kind::UdpSocket | Kind::UnixDatagram => Type::DGRAM,
            _ => Type::STREAM,
        }
    }

    pub(super) fn is_listener(self) -> bool {
        matches!(self, Kind::TcpListener | Kind::UnixListener)
    }

    pub(super) fn is_stream(self) -> bool {
        matches!(self, Kind::TcpStream | Kind::UnixStream)
    }

    pub(super) fn is_unix(self) -> bool {
        matches!(self, Kind::UnixListener | Kind::UnixStream | Kind::UnixDatagram)
    }

    /// Returns the kind of the accepted connections.
    pub(super) fn accepted(self) -> Kind {
        if self.is_unix() { Kind::UnixStream } else { Kind::TcpStream }
    }
}

impl Address {
    pub(super) fn domain(&self) -> Domain {
        match self {
            Address::Ip(SocketAddr::V4(_)) => Domain::IPV4,
            Address::Ip(SocketAddr::V6(_)) => Domain::IPV6,
            Address::Unix(_) => Domain::UNIX,
        }
    }

    /// Returns `true` if both are the same.
    pub(super) fn is_same(&self, other: &Address) -> bool {
        match (self, other) {
            (Address::Ip(one), Address::Ip(other)) => one == other,
            (Address::Unix(one), Address::Unix(other)) => {
                format!("{one:?}") == format!("{other:?}")
            }
            _ => false,
        }
    }

    pub(super) fn to_system(&self) -> io::Result<SockAddr> {
        match self {
            Address::Ip(address) => Ok((*address).into()),
            Address::Unix(address) => unix_address(address),
        }
    }

    pub(super) fn of_system(address: &SockAddr) -> io::Result<Address> {
        if let Some(address) = address.as_socket() {
            return Ok(Address::Ip(address));
        }
        // Of a sender without a name, Linux returns no address at all.
        if !address.is_unix() && address.len() > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid address family"));
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_namespace() {
            let address = <UnixAddr as SocketAddrExt>::from_abstract_name(name)?;
            return Ok(Address::Unix(address));
        }
        // The empty path is no name. Neither is a path that fills the system's form to its end: the
        // system takes one, and std makes no address of it.
        let path = address.as_pathname().unwrap_or(Path::new(""));
        let unix = UnixAddr::from_pathname(path).or_else(|_| UnixAddr::from_pathname(""));
        Ok(Address::Unix(unix?))
    }
}

/// As std shows its addresses.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(address) => match address.as_pathname() {
                Some(path) => path.display().fmt(f),
                None => write!(f, "{address:?}"),
            },
        }
    }
}

/// Returns the address in the system's form.
fn unix_address(address: &UnixAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return SockAddr::unix(path);
    }
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_abstract_name() {
        let name = [b"\0", name].concat();
        return SockAddr::unix(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
            &name,
        ));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the address of a socket without a name"))
}
