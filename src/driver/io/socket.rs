//! Sockets: what the public types refer to, and their calls.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{Location, RefUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socket2::Domain;

use super::address::{Address, Kind};
use super::call::{Call, Operation, Subject};
use super::direction::{Direction, Drained};
use super::handle::Handle;
use super::limit::{Limit, Permit};
use super::memory::socket::MemorySocket;
use super::options::{Choice, Group};
use super::readiness::Readiness;
use super::refuse_if_controlled;
use super::sources::Sources;
use crate::kernel::try_scheduler;

/// How long accepting waits for a free descriptor.
const SHORTAGE_PATIENCE: Duration = Duration::from_millis(100);

/// A socket. The clones of a public object share it.
pub(crate) struct Socket {
    pub(super) kind: Kind,
    // Before the handle: it leaves the runtimes, and is closed then.
    sources: Sources,
    pub(super) handle: Handle,
    /// Of an accepted connection. After the handle: it is given back when the descriptor has been closed.
    _permit: Option<Permit>,
    /// Of a listener.
    limit: OnceLock<Arc<Limit>>,
    /// In nanoseconds; 0 for none.
    timeouts: [AtomicU64; 2],
    /// The program wants calls that would block to fail. The descriptor itself never blocks.
    is_nonblocking: AtomicBool,
}

/// The name of the socket in reports: `TcpStream 127.0.0.1:80 (fd 7)`.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.name())?;
        if let Ok(address) = self.peer_addr().or_else(|_| self.local_addr()) {
            write!(f, "{address} ")?;
        }
        self.handle.fmt(f)
    }
}

/// As std shows its sockets: `TcpStream { addr: .., peer: .., fd: 7 }`, and
/// `UnixStream { fd: 7, local: .., peer: .. }`.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_unix, descriptor) = (self.kind.is_unix(), self.handle.descriptor_number());
        let mut shown = f.debug_struct(self.kind.name());
        if is_unix && let Some(descriptor) = &descriptor {
            shown.field("fd", descriptor);
        }
        if let Ok(address) = self.local_addr() {
            shown.field(if is_unix { "local" } else { "addr" }, &address);
        }
        if self.kind != Kind::UdpSocket
            && let Ok(peer) = self.peer_addr()
        {
            shown.field("peer", &peer);
        }
        if !is_unix && let Some(descriptor) = &descriptor {
            shown.field("fd", descriptor);
        }
        shown.finish()
    }
}

// As std's sockets: a call that unwinds leaves no half-made change.
impl RefUnwindSafe for Socket {}

impl Socket {
    /// Makes a socket for addresses of the domain.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors. In an exploration without a network.
    pub(super) fn new(kind: Kind, domain: Domain) -> io::Result<Socket> {
        refuse_if_controlled(try_scheduler())?;
        let handle = match MemorySocket::new(kind) {
            Some(socket) => Handle::Memory(socket?),
            None => Handle::new(kind, domain)?,
        };
        Ok(Socket::of(kind, handle))
    }

    /// Returns the socket of a handle.
    fn of(kind: Kind, handle: Handle) -> Socket {
        Socket {
            kind,
            sources: Sources::default(),
            handle,
            _permit: None,
            limit: OnceLock::new(),
            timeouts: Default::default(),
            is_nonblocking: AtomicBool::new(false),
        }
    }

    /// Takes over a descriptor, with its timeouts and its mode. From now on it does not block.
    pub(crate) fn take_over(kind: Kind, descriptor: OwnedFd) -> Socket {
        let real = socket2::Socket::from(descriptor);
        let timeouts = [real.read_timeout(), real.write_timeout()];
        let is_nonblocking = real.nonblocking().unwrap_or(false);
        // It fails for no open descriptor.
        let _ = real.set_nonblocking(true);
        let socket = Socket::of(kind, Handle::System(real));
        for (is_read, timeout) in [true, false].into_iter().zip(timeouts) {
            let _ = socket.set_timeout(is_read, timeout.ok().flatten());
        }
        socket.set_nonblocking(is_nonblocking);
        socket
    }

    /// Gives the descriptor up, in the mode that the program has set. Other clones keep theirs: then
    /// the returned one is a duplicate, which shares the mode of the socket, and does not block.
    pub(crate) fn give_up(socket: Arc<Socket>) -> OwnedFd {
        let given = match Arc::try_unwrap(socket) {
            Ok(socket) => {
                let timeouts = [true, false].map(|is_read| socket.timeout(is_read));
                let Socket { handle, is_nonblocking, sources, .. } = socket;
                drop(sources);
                handle.into_descriptor(is_nonblocking.into_inner(), timeouts)
            }
            Err(shared) => shared.handle.duplicate(),
        };
        given.unwrap_or_else(|error| panic!("the socket cannot be given up: {error}"))
    }

    /// Makes an unconnected socket without an address.
    pub(crate) fn unbound(kind: Kind) -> io::Result<Socket> {
        Socket::new(kind, Domain::UNIX)
    }

    /// Makes a socket with an address.
    pub(crate) fn bind(
        kind: Kind,
        address: &Address,
        at: &'static Location<'static>,
    ) -> io::Result<Socket> {
        let socket = Socket::new(kind, address.domain())?;
        socket.handle.bind(kind, address, at)?;
        Ok(socket)
    }

    /// Makes two sockets that are connected to each other.
    pub(crate) fn pair(kind: Kind) -> io::Result<(Socket, Socket)> {
        refuse_if_controlled(try_scheduler())?;
        let (one, other) = match MemorySocket::pair(kind) {
            Some(pair) => {
                let (one, other) = pair?;
                (Handle::Memory(one), Handle::Memory(other))
            }
            None => Handle::pair(kind)?,
        };
        Ok((Socket::of(kind, one), Socket::of(kind, other)))
    }

    /// Sets the peer of a datagram socket.
    #[track_caller]
    pub(crate) fn set_peer(&self, address: &Address) -> io::Result<()> {
        if let Handle::Memory(socket) = &self.handle {
            socket.touch(None, "connect", Location::caller());
        }
        self.handle.connect(address)
    }

    /// Accepts a connection. If there are no more descriptors, it waits for one to be closed, for at
    /// most [`SHORTAGE_PATIENCE`]: a loop that ignores the error must not keep others from running. If the
    /// listener has a limit, it waits for that first.
    #[track_caller]
    pub(crate) fn accept(&self) -> io::Result<(Socket, Address)> {
        let call = self.call(Operation::ACCEPT);
        let permit = self.limit.get().map(|limit| limit.acquire(&call)).transpose()?;
        let wanted = "a free descriptor for a connection to";
        let accepted = call.with_pauses(wanted, Some(SHORTAGE_PATIENCE), is_shortage, || {
            call.run(|| match self.handle.accept() {
                // The peer has gone before it was accepted.
                // mistake: abort-returned
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    Err(io::ErrorKind::Interrupted.into())
                }
                accepted => accepted.map(|accepted| (accepted, Drained::Unknown)),
            })
        });
        // mistake: accepted-lost
        let (handle, address) = accepted?;
        // The limit may have been set meanwhile.
        // mistake: first-limit-misses
        let permit = permit.or_else(|| self.limit.get().map(Limit::count));
        Ok((Socket { _permit: permit, ..Socket::of(self.kind.accepted(), handle) }, address))
    }

    /// Sets how many of the accepted connections may be open at once.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn set_most_connections(&self, most: usize) -> io::Result<()> {
        if most == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a listener that may have no open connection accepts none: allow at least one, or \
                 drop the listener",
            ));
        }
        self.limit.get_or_init(|| Arc::new(Limit::new(most))).set_most(most);
        Ok(())
    }

    /// Returns how many of the accepted connections may be open at once.
    pub(crate) fn most_connections(&self) -> Option<usize> {
        self.limit.get().map(|limit| limit.most())
    }

    /// Reads from a stream.
    #[inline]
    #[track_caller]
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.call(Operation::READ).run(|| self.handle.read(bytes))
    }

    /// Reads from a stream into several buffers.
    #[track_caller]
    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.call(Operation::READ).run(|| self.handle.read_vectored(buffers))
    }

    /// Writes to a stream.
    #[inline]
    #[track_caller]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return self.write_nothing();
        }
        self.call(Operation::WRITE).run(|| self.handle.write(bytes))
    }

    /// Writes no bytes to a stream, for which there always is room. Fails if the connection is broken.
    #[cold]
    #[track_caller]
    fn write_nothing(&self) -> io::Result<usize> {
        let call = Call { is_nonblocking: true, ..self.call(Operation::WRITE) };
        call.run(|| self.handle.write(&[]))
    }

    /// Writes several buffers to a stream.
    #[track_caller]
    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return self.write_nothing();
        }
        self.call(Operation::WRITE).run(|| self.handle.write_vectored(buffers))
    }

    /// Receives without taking: the next call receives the same.
    #[track_caller]
    pub(crate) fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let peek = || Ok((self.handle.receive(bytes, false)?, Drained::Unknown));
        self.call(Operation::PEEK).run(peek)
    }

    /// Receives a datagram from the peer.
    #[track_caller]
    pub(crate) fn receive_datagram(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let receive = || Ok((self.handle.receive(bytes, true)?, Drained::Unknown));
        self.call(Operation::RECEIVE).run(receive)
    }

    /// Receives a datagram, and returns the sender's address; takes it or leaves it for the next call.
    #[track_caller]
    pub(crate) fn receive_from(
        &self,
        bytes: &mut [u8],
        takes: bool,
    ) -> io::Result<(usize, Address)> {
        let operation = if takes { Operation::RECEIVE } else { Operation::PEEK };
        let receive = || Ok((self.handle.receive_from(bytes, takes)?, Drained::Unknown));
        self.call(operation).run(receive)
    }

    /// Sends a datagram to the peer.
    #[track_caller]
    pub(crate) fn send_datagram(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(Operation::SEND).run(|| Ok((self.handle.send(bytes)?, Drained::Unknown)))
    }

    /// Sends a datagram to an address.
    #[track_caller]
    pub(crate) fn send_to(&self, bytes: &[u8], address: &Address) -> io::Result<usize> {
        let send = || Ok((self.handle.send_to(bytes, address)?, Drained::Unknown));
        self.call(Operation::SEND).run(send)
    }

    /// Returns a call of this operation.
    #[inline]
    #[track_caller]
    pub(super) fn call(&self, operation: &'static Operation) -> Call<'_> {
        Call {
            object: self,
            subject: Subject::Socket(&self.handle),
            sources: &self.sources,
            operation,
            timeout: self.timeout(operation.direction == Direction::Read),
            is_nonblocking: self.is_nonblocking.load(Ordering::Relaxed),
            at: Location::caller(),
        }
    }

    /// Returns the readiness for a call in this direction, for a select.
    pub(crate) fn readiness(&self, direction: Direction) -> Readiness<'_> {
        let is_datagram = matches!(self.kind, Kind::UdpSocket | Kind::UnixDatagram);
        let is_listener = matches!(self.kind, Kind::TcpListener | Kind::UnixListener);
        let operation = match direction {
            Direction::Read if is_listener => Operation::ACCEPT,
            Direction::Read if is_datagram => Operation::RECEIVE,
            Direction::Read => Operation::READ,
            Direction::Write if is_datagram => Operation::SEND,
            Direction::Write => Operation::WRITE,
        };
        let readiness = Readiness::of(&self.call(operation));
        match self.limit.get() {
            Some(limit) if direction == Direction::Read => readiness.limited(limit),
            _ => readiness,
        }
    }

    /// Sets the time after which a call that waits fails.
    ///
    /// # Errors
    ///
    /// If it is zero.
    pub(crate) fn set_timeout(&self, is_read: bool, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot set a 0 duration timeout",
            ));
        }
        let nanos = timeout.map_or(0, |timeout| timeout.as_nanos().try_into().unwrap_or(u64::MAX));
        self.timeouts[usize::from(is_read)].store(nanos, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the time after which a call that waits fails.
    #[inline]
    pub(crate) fn timeout(&self, is_read: bool) -> Option<Duration> {
        match self.timeouts[usize::from(is_read)].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Sets whether calls that would block fail.
    pub(crate) fn set_nonblocking(&self, is_nonblocking: bool) {
        self.is_nonblocking.store(is_nonblocking, Ordering::Relaxed);
    }

    pub(crate) fn local_addr(&self) -> io::Result<Address> {
        self.handle.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> io::Result<Address> {
        self.handle.peer_addr()
    }

    /// Ends one direction or both.
    #[track_caller]
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.handle.shutdown(how, Location::caller())
    }

    /// Takes the error that the system has noted.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.handle.take_error()
    }

    /// Sets an option.
    pub(crate) fn set(&self, choice: Choice, value: u32) -> io::Result<()> {
        self.handle.set(choice, value)
    }

    /// Returns the value of an option.
    pub(crate) fn get(&self, choice: Choice) -> io::Result<u32> {
        self.handle.get(choice)
    }

    /// Joins a group.
    pub(crate) fn join(&self, group: Group<'_>) -> io::Result<()> {
        self.handle.group(group, true)
    }

    /// Leaves a group.
    pub(crate) fn leave(&self, group: Group<'_>) -> io::Result<()> {
        self.handle.group(group, false)
    }
}

/// Returns `true` if there are no more descriptors, or no more memory for one. Others may be freed.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| shortages.contains(&code))
}

impl AsFd for Socket {
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}
