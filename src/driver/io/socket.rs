//! Sockets: what the public types refer to, and their calls.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{Location, RefUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use socket2::Domain;

use super::address::{Address, Kind};
use super::call::{Call, Drained, Operation};
use super::refuse_if_controlled;
use super::source::Direction;
use super::sources::Sources;
use crate::kernel::try_scheduler;
use crate::sys::socket as system;

/// The number of connections that wait to be accepted, unless the system has a lower limit.
const BACKLOG: i32 = 4096;

/// How long accepting waits for a free descriptor.
const SHORTAGE_PATIENCE: Duration = Duration::from_millis(100);

/// A call on a closed connection fails; it sends no signal.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// The option SO_NOSIGPIPE does it.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

/// A socket. The clones of a public object share it.
pub(crate) struct Socket {
    kind: Kind,
    // Before the descriptor: it leaves the runtimes, and is closed then.
    sources: Sources,
    real: socket2::Socket,
    /// In nanoseconds; 0 for none.
    timeouts: [AtomicU64; 2],
    /// The program wants calls that would block to fail. The descriptor itself never blocks.
    is_nonblocking: AtomicBool,
}

/// The object of a report about a connection that is being made.
struct Connecting<'a>(&'a Socket, &'a Address);

impl fmt::Display for Connecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connecting(socket, address) = self;
        write!(f, "{} to {address} (fd {})", socket.kind.name(), socket.real.as_raw_fd())
    }
}

/// The name of the socket in reports: `TcpStream 127.0.0.1:80 (fd 7)`.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.name())?;
        if let Ok(address) = self.peer_addr().or_else(|_| self.local_addr()) {
            write!(f, "{address} ")?;
        }
        write!(f, "(fd {})", self.real.as_raw_fd())
    }
}

/// As std shows its sockets: `TcpStream { addr: .., peer: .., fd: 7 }`, and
/// `UnixStream { fd: 7, local: .., peer: .. }`.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_unix, descriptor) = (self.kind.is_unix(), self.real.as_raw_fd());
        let mut shown = f.debug_struct(self.kind.name());
        if is_unix {
            shown.field("fd", &descriptor);
        }
        if let Ok(address) = self.local_addr() {
            shown.field(if is_unix { "local" } else { "addr" }, &address);
        }
        if self.kind != Kind::UdpSocket
            && let Ok(peer) = self.peer_addr()
        {
            shown.field("peer", &peer);
        }
        if !is_unix {
            shown.field("fd", &descriptor);
        }
        shown.finish()
    }
}

// As std's sockets: a call that unwinds leaves no half-made change.
impl RefUnwindSafe for Socket {}

impl Socket {
    /// Makes a socket for addresses such as this one.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors. In an exploration.
    fn new(kind: Kind, domain: Domain) -> io::Result<Socket> {
        refuse_if_controlled(try_scheduler())?;
        let real = socket2::Socket::new(domain, kind.socket_type(), None)?;
        real.set_nonblocking(true)?;
        Ok(Socket::of(kind, real))
    }

    /// Returns the socket of a descriptor that does not block.
    fn of(kind: Kind, real: socket2::Socket) -> Socket {
        let (sources, timeouts) = (Sources::default(), Default::default());
        Socket { kind, real, sources, timeouts, is_nonblocking: AtomicBool::new(false) }
    }

    /// Takes over a descriptor, with its timeouts and its mode. From now on it does not block.
    pub(crate) fn take_over(kind: Kind, descriptor: OwnedFd) -> Socket {
        let real = socket2::Socket::from(descriptor);
        let timeouts = [real.read_timeout(), real.write_timeout()];
        let is_nonblocking = real.nonblocking().unwrap_or(false);
        // It fails for no open descriptor.
        let _ = real.set_nonblocking(true);
        let socket = Socket::of(kind, real);
        for (is_read, timeout) in [true, false].into_iter().zip(timeouts) {
            let _ = socket.set_timeout(is_read, timeout.ok().flatten());
        }
        socket.set_nonblocking(is_nonblocking);
        socket
    }

    /// Gives the descriptor up, in the mode that the program has set. Other clones keep theirs: then
    /// the returned one is a duplicate, which shares the mode of the socket, and does not block.
    pub(crate) fn give_up(socket: Arc<Socket>) -> OwnedFd {
        let real = match Arc::try_unwrap(socket) {
            Ok(socket) => {
                let timeouts = [true, false].map(|is_read| socket.timeout(is_read));
                let Socket { real, is_nonblocking, sources, .. } = socket;
                drop(sources);
                // They fail for no open descriptor.
                let _ = real.set_nonblocking(is_nonblocking.into_inner());
                let _ = timeouts[0].map(|timeout| real.set_read_timeout(Some(timeout)));
                let _ = timeouts[1].map(|timeout| real.set_write_timeout(Some(timeout)));
                Ok(real)
            }
            Err(shared) => shared.real.try_clone(),
        };
        real.expect("the process has a descriptor for the duplicate").into()
    }

    /// Makes an unconnected socket without an address.
    pub(crate) fn unbound(kind: Kind) -> io::Result<Socket> {
        Socket::new(kind, Domain::UNIX)
    }

    /// Makes a socket with an address.
    pub(crate) fn bind(kind: Kind, address: &Address) -> io::Result<Socket> {
        let socket = Socket::new(kind, address.domain())?;
        if kind == Kind::TcpListener {
            // As in std: a server that is started again gets the address that it had.
            socket.real.set_reuse_address(true)?;
        }
        socket.real.bind(&address.to_system()?)?;
        if matches!(kind, Kind::TcpListener | Kind::UnixListener) {
            socket.real.listen(BACKLOG)?;
        }
        Ok(socket)
    }

    /// Makes two sockets that are connected to each other.
    pub(crate) fn pair(kind: Kind) -> io::Result<(Socket, Socket)> {
        refuse_if_controlled(try_scheduler())?;
        let (one, other) = socket2::Socket::pair(Domain::UNIX, kind.socket_type(), None)?;
        for end in [&one, &other] {
            end.set_nonblocking(true)?;
        }
        Ok((Socket::of(kind, one), Socket::of(kind, other)))
    }

    /// Makes a connection.
    ///
    /// # Errors
    ///
    /// Those of connect(2); [`io::ErrorKind::TimedOut`] after the timeout.
    #[track_caller]
    pub(crate) fn connect(
        kind: Kind,
        address: &Address,
        timeout: Option<Duration>,
    ) -> io::Result<Socket> {
        let socket = Socket::new(kind, address.domain())?;
        let system = address.to_system()?;
        let object = Connecting(&socket, address);
        let call = Call { object: &object, timeout, ..socket.call(Operation::CONNECT) };
        let connected = if kind.is_unix() {
            // Connected at once, unless the backlog of the listener is full.
            let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            let connect = || socket.real.connect(&system);
            call.with_pauses("room in the backlog of", timeout, is_full, connect)
        } else {
            let mut has_begun = false;
            call.run(|| {
                let result = match has_begun {
                    false => socket.real.connect(&system),
                    // Writable: connected, or failed; neither, if the wait has ended too early.
                    true => match socket.real.take_error()? {
                        // mistake: failure-connects
                        Some(error) => Err(error),
                        None => socket.real.peer_addr().map(drop),
                    },
                };
                has_begun = true;
                match result {
                    Err(error) if is_in_progress(&error) => Err(system::would_block()),
                    result => result.map(|()| ((), Drained::Unknown)),
                }
            })
        };
        match connected {
            Ok(()) => Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && timeout.is_some() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the peer of a datagram socket.
    pub(crate) fn set_peer(&self, address: &Address) -> io::Result<()> {
        self.real.connect(&address.to_system()?)
    }

    /// Accepts a connection. If there are no more descriptors, it waits for one to be closed, for at
    /// most [`SHORTAGE_PATIENCE`]: a loop that ignores the error must not keep others from running.
    #[track_caller]
    pub(crate) fn accept(&self) -> io::Result<(Socket, Address)> {
        let call = self.call(Operation::ACCEPT);
        let wanted = "a free descriptor for a connection to";
        let accepted = call.with_pauses(wanted, Some(SHORTAGE_PATIENCE), is_shortage, || {
            call.run(|| match system::accept(&self.real) {
                // The peer has gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    Err(io::ErrorKind::Interrupted.into())
                }
                accepted => accepted.map(|accepted| (accepted, Drained::Unknown)),
            })
        });
        let (real, address) = accepted?;
        let socket = Socket::of(self.kind.accepted(), real);
        Ok((socket, Address::of_system(&address)?))
    }

    /// Reads from a stream.
    #[inline]
    #[track_caller]
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let asked = bytes.len();
        self.call(Operation::READ).run(|| {
            let count = system::receive(&self.real, bytes, 0)?;
            Ok((count, shortness(count, asked)))
        })
    }

    /// Reads from a stream into several buffers.
    #[track_caller]
    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        self.call(Operation::READ).run(|| {
            let count = (&self.real).read_vectored(buffers)?;
            Ok((count, shortness(count, asked)))
        })
    }

    /// Writes to a stream.
    #[inline]
    #[track_caller]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(Operation::WRITE).run(|| {
            let count = self.real.send_with_flags(bytes, NO_SIGNAL)?;
            Ok((count, shortness(count, bytes.len())))
        })
    }

    /// Writes several buffers to a stream.
    #[track_caller]
    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        self.call(Operation::WRITE).run(|| {
            let count = self.real.send_vectored_with_flags(buffers, NO_SIGNAL)?;
            Ok((count, shortness(count, asked)))
        })
    }

    /// Receives without taking: the next call receives the same.
    #[track_caller]
    pub(crate) fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.receive(Operation::PEEK, bytes, libc::MSG_PEEK)
    }

    /// Receives a datagram from the peer.
    #[track_caller]
    pub(crate) fn receive_datagram(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.receive(Operation::RECEIVE, bytes, 0)
    }

    #[track_caller]
    fn receive(
        &self,
        operation: &'static Operation,
        bytes: &mut [u8],
        flags: i32,
    ) -> io::Result<usize> {
        self.call(operation)
            .run(|| Ok((system::receive(&self.real, bytes, flags)?, Drained::Unknown)))
    }

    /// Receives a datagram, and returns the sender's address; takes it or leaves it for the next call.
    #[track_caller]
    pub(crate) fn receive_from(
        &self,
        bytes: &mut [u8],
        takes: bool,
    ) -> io::Result<(usize, Address)> {
        let (operation, flags) =
            if takes { (Operation::RECEIVE, 0) } else { (Operation::PEEK, libc::MSG_PEEK) };
        let (count, address) = self
            .call(operation)
            .run(|| Ok((system::receive_from(&self.real, bytes, flags)?, Drained::Unknown)))?;
        Ok((count, Address::of_system(&address)?))
    }

    /// Sends a datagram to the peer.
    #[track_caller]
    pub(crate) fn send_datagram(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(Operation::SEND)
            .run(|| Ok((self.real.send_with_flags(bytes, NO_SIGNAL)?, Drained::Unknown)))
    }

    /// Sends a datagram to an address.
    #[track_caller]
    pub(crate) fn send_to(&self, bytes: &[u8], address: &Address) -> io::Result<usize> {
        let system = address.to_system()?;
        self.call(Operation::SEND).run(|| {
            Ok((self.real.send_to_with_flags(bytes, &system, NO_SIGNAL)?, Drained::Unknown))
        })
    }

    /// Returns a call of this operation.
    #[inline]
    #[track_caller]
    fn call(&self, operation: &'static Operation) -> Call<'_> {
        Call {
            object: self,
            descriptor: self.real.as_fd(),
            sources: &self.sources,
            operation,
            timeout: self.timeout(operation.direction == Direction::Read),
            is_nonblocking: self.is_nonblocking.load(Ordering::Relaxed),
            at: Location::caller(),
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
        Address::of_system(&self.real.local_addr()?)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<Address> {
        Address::of_system(&self.real.peer_addr()?)
    }

    /// Ends one direction or both.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.real.shutdown(how)
    }

    /// Takes the error that the system has noted.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.real.take_error()
    }

    pub(super) fn real(&self) -> &socket2::Socket {
        &self.real
    }
}

/// Returns what a call on a stream shows that was answered with `count` of `asked` bytes.
#[inline]
fn shortness(count: usize, asked: usize) -> Drained {
    if count < asked { Drained::Short } else { Drained::Unknown }
}

/// Returns `true` if a connection is being made.
fn is_in_progress(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotConnected, io::ErrorKind::Interrupted];
    error.raw_os_error() == Some(libc::EINPROGRESS) || kinds.contains(&error.kind())
}

/// Returns `true` if there are no more descriptors, or no more memory for one. Others may be freed.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| shortages.contains(&code))
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.real.as_fd()
    }
}
