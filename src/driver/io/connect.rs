//! Connections that are being made.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::panic::Location;
use std::time::Duration;

use super::address::{Address, Kind};
use super::call::{Call, Operation};
use super::direction::Drained;
use super::readiness::Readiness;
use super::socket::Socket;
use super::{begin, refuse_if_controlled};
use crate::kernel::try_scheduler;
use crate::sys;

/// A connection that is being made, or will be. To drop it gives it up.
pub(crate) struct Connecting {
    socket: Socket,
    address: Address,
    has_begun: Cell<bool>,
}

/// The object of a report about it.
impl fmt::Display for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.socket.kind.name(), self.address, self.socket.handle)
    }
}

impl Connecting {
    /// Makes a socket that is not connected yet.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors.
    fn new(kind: Kind, address: &Address) -> io::Result<Connecting> {
        let socket = Socket::new(kind, address.domain())?;
        Ok(Connecting { socket, address: address.clone(), has_begun: Cell::new(false) })
    }

    /// Makes a socket that is not connected yet, for one of several connections. A cancellation point.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors. In an exploration without a network.
    pub(crate) fn one_of_several(
        kind: Kind,
        address: &Address,
        at: &'static Location<'static>,
    ) -> io::Result<Connecting> {
        match try_scheduler() {
            Some(scheduler) => begin(scheduler, at)?,
            None => refuse_if_controlled(None)?,
        }
        Connecting::new(kind, address)
    }

    /// Begins the connection, or looks whether it has been made.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it is still being made; those of connect(2).
    fn advance(&self) -> io::Result<()> {
        match self.has_begun.replace(true) {
            false => self.socket.handle.connect(&self.address),
            true => self.socket.handle.connected(),
        }
    }

    /// Returns the call that makes the connection.
    fn call(&self, timeout: Option<Duration>, at: &'static Location<'static>) -> Call<'_> {
        Call { object: self, timeout, at, ..self.socket.call(Operation::CONNECT) }
    }

    /// Begins the connection, or looks whether it has been made. Never waits.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it is still being made; those of connect(2).
    pub(crate) fn look(&self, at: &'static Location<'static>) -> io::Result<()> {
        let call = Call { is_nonblocking: true, ..self.call(None, at) };
        call.run(|| self.advance().map(|()| ((), Drained::Unknown)))
    }

    /// Returns the readiness for a [look](Connecting::look) that finds the connection made or failed.
    #[track_caller]
    pub(crate) fn readiness(&self) -> Readiness<'_> {
        Readiness::of(&self.call(None, Location::caller()))
    }

    /// Returns the socket, which is connected after a [look](Connecting::look) that succeeded.
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// Returns `true` if the error only tells that this host has no way to addresses of the family.
pub(crate) fn says_little(error: &io::Error) -> bool {
    let codes = [libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Waits, outside a runtime, until one of the connections has been made or has failed, or the time has
/// passed. The OS thread waits.
pub(crate) fn wait_for_any(connections: &[Connecting], patience: Option<Duration>) {
    let descriptors: Vec<_> =
        connections.iter().map(|connection| connection.socket.handle.as_fd()).collect();
    let nanos = patience.map(|it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX));
    sys::wakeup::wait_for_any(&descriptors, false, nanos);
}

impl Socket {
    /// Makes a connection.
    ///
    /// # Errors
    ///
    /// Those of connect(2); [`io::ErrorKind::TimedOut`] after the timeout.
    pub(crate) fn connect(
        kind: Kind,
        address: &Address,
        timeout: Option<Duration>,
        at: &'static Location<'static>,
    ) -> io::Result<Socket> {
        let connecting = Connecting::new(kind, address)?;
        let call = connecting.call(timeout, at);
        let connected = if kind.is_unix() {
            // Connected at once, unless the backlog of the listener is full.
            let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            let connect = || connecting.socket.handle.connect(address);
            call.with_pauses("room in the backlog of", timeout, is_full, connect)
        } else {
            call.run(|| connecting.advance().map(|()| ((), Drained::Unknown)))
        };
        match connected {
            Ok(()) => Ok(connecting.into_socket()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && timeout.is_some() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
            }
            Err(error) => Err(error),
        }
    }
}
