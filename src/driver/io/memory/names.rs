//! The addresses of a network in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::address::{Address, Kind};
use super::ids::SocketId;

/// The first port of sockets that have not asked for one.
const FIRST_PORT: u16 = 49152;

/// An address, with the protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(String),
}

/// Which socket has which address.
pub(super) struct Names {
    sockets: BTreeMap<Name, SocketId>,
    /// The paths of closed sockets, which are still there.
    stale: BTreeSet<Name>,
    next_port: u16,
}

impl Default for Names {
    fn default() -> Names {
        Names { sockets: BTreeMap::new(), stale: BTreeSet::new(), next_port: FIRST_PORT }
    }
}

/// Returns the error with this number.
pub(super) fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl Name {
    fn of(kind: Kind, address: &Address) -> Name {
        match address {
            Address::Ip(address) if kind == Kind::UdpSocket => Name::Udp(*address),
            Address::Ip(address) => Name::Tcp(*address),
            Address::Unix(address) => Name::Unix(format!("{address:?}")),
        }
    }

    /// Returns the name of the socket that gets what is sent to the port, whatever the address.
    fn of_any(&self) -> Option<Name> {
        let any = |address: &SocketAddr| {
            let ip: IpAddr = match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            SocketAddr::new(ip, address.port())
        };
        match self {
            Name::Tcp(address) => Some(Name::Tcp(any(address))),
            Name::Udp(address) => Some(Name::Udp(any(address))),
            Name::Unix(_) => None,
        }
    }
}

impl Names {
    /// Gives a socket an address: this one, with a free port if it asks for any.
    ///
    /// # Errors
    ///
    /// If another socket has it.
    pub(super) fn take(
        &mut self,
        kind: Kind,
        address: &Address,
        socket: SocketId,
    ) -> io::Result<Address> {
        let mut address = address.clone();
        match &mut address {
            Address::Ip(ip) if ip.port() == 0 => ip.set_port(self.free_port(kind, *ip)),
            Address::Unix(unix) if unix.is_unnamed() => return Err(error(libc::EINVAL)),
            _ => {}
        }
        let name = Name::of(kind, &address);
        if self.is_taken(&name) {
            return Err(error(libc::EADDRINUSE));
        }
        self.sockets.insert(name, socket);
        Ok(address)
    }

    /// Returns `true` if a socket has this name, or one for each address that includes it, or this is one
    /// for each address.
    fn is_taken(&self, name: &Name) -> bool {
        let any = name.of_any();
        let overlaps = |other: &Name| {
            any.is_some()
                && other.of_any() == any
                && [name, other].contains(&any.as_ref().unwrap_or(name))
        };
        self.sockets.contains_key(name)
            || self.stale.contains(name)
            || self.sockets.keys().any(overlaps)
    }

    fn free_port(&mut self, kind: Kind, mut ip: SocketAddr) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = if port == u16::MAX { FIRST_PORT } else { port + 1 };
            ip.set_port(port);
            if !self.is_taken(&Name::of(kind, &Address::Ip(ip))) {
                return port;
            }
        }
    }

    /// Returns the socket that gets what is sent to an address.
    pub(super) fn at(&self, kind: Kind, address: &Address) -> Option<SocketId> {
        let name = Name::of(kind, address);
        let found = self.sockets.get(&name);
        found.or_else(|| self.sockets.get(&name.of_any()?)).copied()
    }

    /// Returns the error of a connection to an address at which no socket can be reached.
    pub(super) fn refusal(&self, kind: Kind, address: &Address) -> io::Error {
        let name = Name::of(kind, address);
        let is_there = self.sockets.contains_key(&name) || self.stale.contains(&name);
        let is_missing = kind.is_unix() && !is_there;
        error(if is_missing { libc::ENOENT } else { libc::ECONNREFUSED })
    }

    /// Takes the address from a socket that is closed, if it has it. A path stays, as a file does.
    pub(super) fn leave(&mut self, kind: Kind, address: &Address, socket: SocketId) {
        let name = Name::of(kind, address);
        if self.sockets.get(&name) == Some(&socket) {
            self.sockets.remove(&name);
            if let Address::Unix(address) = address
                && address.as_pathname().is_some()
            {
                self.stale.insert(name);
            }
        }
    }
}
