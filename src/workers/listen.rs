//! The listeners of a master, and those of its workers.

#![forbid(unsafe_code)]

use std::env;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process;

use socket2::{Domain, SockRef, Socket, Type};

use crate::net::TcpListener;
use crate::os::unix::net::UnixListener;
use crate::sys::inherit;

/// The connections that may wait to be accepted, as of leno's other listeners.
const BACKLOG: i32 = 4096;

/// A listener in a master.
pub(super) enum Listening {
    /// The workers have one.
    Shared(OwnedFd),
    /// Each worker has its own.
    Each(Vec<OwnedFd>),
}

impl Listening {
    /// Returns the listener of a worker.
    pub(super) fn of(&self, worker: usize) -> BorrowedFd<'_> {
        match self {
            Listening::Shared(one) => one.as_fd(),
            Listening::Each(all) => all[worker].as_fd(),
        }
    }

    /// Returns the address in words.
    pub(super) fn address(&self) -> String {
        let address = SockRef::from(&self.of(0)).local_addr().ok();
        let path = address.as_ref().and_then(|it| it.as_pathname());
        let path = path.map(|it| it.display().to_string());
        let ip = address.as_ref().and_then(|it| it.as_socket());
        ip.map(|it| it.to_string()).or(path).unwrap_or_else(|| "an address without a name".into())
    }
}

/// Makes a listener at the first of the addresses that can be had.
///
/// # Errors
///
/// That of the last address; if there is none.
pub(super) fn bind(addresses: &[SocketAddr], is_shared: bool) -> io::Result<OwnedFd> {
    let bind = |&address| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if !is_shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    let none = io::Error::new(io::ErrorKind::InvalidInput, "there is no address to use");
    let mut result = Err(none);
    for address in addresses {
        result = bind(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Makes a listener for each of `count` workers, at one address.
pub(super) fn bind_each(addresses: &[SocketAddr], count: usize) -> io::Result<Vec<OwnedFd>> {
    let first = bind(addresses, false)?;
    // The port was perhaps chosen by the system.
    let address = SockRef::from(&first).local_addr()?.as_socket();
    let addresses: Vec<SocketAddr> = address.into_iter().collect();
    let mut all = vec![first];
    for _ in 1..count {
        all.push(bind(&addresses, false)?);
    }
    Ok(all)
}

/// Returns the listeners that systemd has opened for this process, in its order: none if there are none, and
/// from the second call on.
///
/// # Errors
///
/// If one of them does not listen.
pub(super) fn systemds() -> io::Result<Vec<OwnedFd>> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    // mistake: workers-foreign-systemd
    let is_for_this_process = number("LISTEN_PID") == Some(process::id());
    let count = number("LISTEN_FDS").filter(|_| is_for_this_process).unwrap_or(0);
    let all = inherit::take_systemds(count as usize).unwrap_or_default();
    for descriptor in &all {
        #[cfg(any(target_os = "linux", target_os = "freebsd"))]
        if !SockRef::from(descriptor).is_listener().unwrap_or(false) {
            let number = descriptor.as_raw_fd();
            return Err(io::Error::other(format!(
                "descriptor {number} of LISTEN_FDS is not a listening socket: set ListenStream= and \
                 Accept=no in the unit of the socket"
            )));
        }
        let _ = descriptor.as_raw_fd();
    }
    Ok(all)
}

/// A listener in a worker.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Takes over a listener that other processes have, too. Its descriptor does not block: a connection is
    /// announced to all, and one of them gets it.
    pub(super) fn take_over(descriptor: OwnedFd) -> io::Result<Listener> {
        let is_unix = SockRef::from(&descriptor).local_addr()?.is_unix();
        let listener = if is_unix {
            Listener::Unix(descriptor.into())
        } else {
            Listener::Tcp(descriptor.into())
        };
        // Another process may have set the common mode already. It is not the mode of this object.
        match &listener {
            // mistake: workers-mode-inherited
            Listener::Tcp(it) => it.set_nonblocking(false)?,
            Listener::Unix(it) => it.set_nonblocking(false)?,
        }
        Ok(listener)
    }
}

/// Returns the numbers of the listeners of a worker.
pub(super) fn numbers(all: &[Listening], worker: usize) -> Vec<RawFd> {
    all.iter().map(|listening| listening.of(worker).as_raw_fd()).collect()
}
