//! A socket of an engine, and the calls that the engine answers.
//!
//! None of them waits: a call that would block fails with [`io::ErrorKind::WouldBlock`].

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::time::Duration;

use socket2::Domain;

use super::address::{Address, Kind};
use super::direction::Drained;
use super::engine::{Target, unsupported};
use super::memory::socket::MemorySocket;
use super::options::{Choice, Group};

use crate::sys::socket as system;

/// The number of connections that wait to be accepted, unless the system has a lower limit.
const BACKLOG: i32 = 4096;

/// A call on a closed connection fails; it sends no signal.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// The option SO_NOSIGPIPE does it.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

/// A socket of an engine.
pub(super) enum Handle {
    /// One of the operating system, which does not block.
    System(socket2::Socket),
    /// One of a [network in memory](super::memory).
    Memory(MemorySocket),
}

/// Returns what a call on a stream of the system shows that was answered with `count` of `asked` bytes.
#[inline]
fn shortness(count: usize, asked: usize) -> Drained {
    // mistake: full-drains
    if count < asked { Drained::Short } else { Drained::Unknown }
}

impl Handle {
    /// Makes a socket for addresses of the domain.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors.
    pub(super) fn new(kind: Kind, domain: Domain) -> io::Result<Handle> {
        let real = socket2::Socket::new(domain, kind.socket_type(), None)?;
        real.set_nonblocking(true)?;
        Ok(Handle::System(real))
    }

    /// Makes two sockets that are connected to each other.
    pub(super) fn pair(kind: Kind) -> io::Result<(Handle, Handle)> {
        let (one, other) = socket2::Socket::pair(Domain::UNIX, kind.socket_type(), None)?;
        for end in [&one, &other] {
            end.set_nonblocking(true)?;
        }
        Ok((Handle::System(one), Handle::System(other)))
    }

    /// Gives the socket its address. A listener then gets connections.
    pub(super) fn bind(
        &self,
        kind: Kind,
        address: &Address,
        at: &'static Location<'static>,
    ) -> io::Result<()> {
        let real = match self {
            Handle::System(real) => real,
            Handle::Memory(socket) => return socket.bind(address, at),
        };
        if kind == Kind::TcpListener {
            // As in std: a server that is started again gets the address that it had.
            real.set_reuse_address(true)?;
        }
        real.bind(&address.to_system()?)?;
        if kind.is_listener() { real.listen(BACKLOG) } else { Ok(()) }
    }

    /// Begins a connection, or sets the peer of a datagram socket. The connection is made if it
    /// succeeds.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if the connection is being made: [`connected`](Handle::connected)
    /// tells its end once the socket is writable.
    pub(super) fn connect(&self, address: &Address) -> io::Result<()> {
        match self {
            Handle::System(real) => real.connect(&address.to_system()?).or_else(in_progress),
            Handle::Memory(socket) => socket.connect(address),
        }
    }

    /// Ends a connection that is being made.
    ///
    /// # Errors
    ///
    /// As [`connect`](Handle::connect).
    pub(super) fn connected(&self) -> io::Result<()> {
        // Writable: connected, or failed; neither, if the wait has ended too early.
        match self.take_error()? {
            // mistake: failure-connects
            Some(error) => Err(error),
            None => self.peer_addr().map(drop),
        }
        .or_else(in_progress)
    }

    /// Accepts a connection.
    pub(super) fn accept(&self) -> io::Result<(Handle, Address)> {
        match self {
            Handle::System(real) => {
                let (accepted, address) = system::accept(real)?;
                Ok((Handle::System(accepted), Address::of_system(&address)?))
            }
            Handle::Memory(socket) => {
                let (accepted, address) = socket.accept()?;
                Ok((Handle::Memory(accepted), address))
            }
        }
    }

    /// Reads from a stream.
    #[inline]
    pub(super) fn read(&self, bytes: &mut [u8]) -> io::Result<(usize, Drained)> {
        match self {
            Handle::System(real) => {
                let count = system::receive(real, bytes, 0)?;
                Ok((count, shortness(count, bytes.len())))
            }
            Handle::Memory(socket) => socket.read(bytes),
        }
    }

    /// Reads from a stream into several buffers.
    pub(super) fn read_vectored(
        &self,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<(usize, Drained)> {
        match self {
            Handle::System(real) => {
                let asked = buffers.iter().map(|buffer| buffer.len()).sum();
                let count = { real }.read_vectored(buffers)?;
                Ok((count, shortness(count, asked)))
            }
            Handle::Memory(socket) => {
                let mut bytes = vec![0; buffers.iter().map(|buffer| buffer.len()).sum()];
                let (count, drained) = socket.read(&mut bytes)?;
                let mut rest = &bytes[..count];
                for buffer in buffers {
                    let (first, others) = rest.split_at(buffer.len().min(rest.len()));
                    buffer[..first.len()].copy_from_slice(first);
                    rest = others;
                }
                Ok((count, drained))
            }
        }
    }

    /// Writes to a stream.
    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<(usize, Drained)> {
        match self {
            Handle::System(real) => {
                // mistake: signal-sent
                let count = real.send_with_flags(bytes, NO_SIGNAL)?;
                Ok((count, shortness(count, bytes.len())))
            }
            Handle::Memory(socket) => socket.write(bytes),
        }
    }

    /// Writes several buffers to a stream.
    pub(super) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<(usize, Drained)> {
        match self {
            Handle::System(real) => {
                let asked = buffers.iter().map(|buffer| buffer.len()).sum();
                let count = real.send_vectored_with_flags(buffers, NO_SIGNAL)?;
                Ok((count, shortness(count, asked)))
            }
            Handle::Memory(socket) => {
                let bytes: Vec<&[u8]> = buffers.iter().map(|buffer| &**buffer).collect();
                socket.write(&bytes.concat())
            }
        }
    }

    /// Receives a datagram of the peer, or what a stream has; takes it, or leaves it for the next call.
    pub(super) fn receive(&self, bytes: &mut [u8], takes: bool) -> io::Result<usize> {
        match self {
            Handle::System(real) => {
                system::receive(real, bytes, if takes { 0 } else { libc::MSG_PEEK })
            }
            Handle::Memory(socket) => Ok(socket.receive(bytes, takes)?.0),
        }
    }

    /// Receives a datagram as [`receive`](Handle::receive), with the sender's address.
    pub(super) fn receive_from(
        &self,
        bytes: &mut [u8],
        takes: bool,
    ) -> io::Result<(usize, Address)> {
        match self {
            Handle::System(real) => {
                let flags = if takes { 0 } else { libc::MSG_PEEK };
                let (count, address) = system::receive_from(real, bytes, flags)?;
                Ok((count, Address::of_system(&address)?))
            }
            Handle::Memory(socket) => socket.receive(bytes, takes),
        }
    }

    /// Sends a datagram to the peer.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Handle::System(real) => real.send_with_flags(bytes, NO_SIGNAL),
            Handle::Memory(socket) => socket.send(bytes, None),
        }
    }

    /// Sends a datagram to an address.
    pub(super) fn send_to(&self, bytes: &[u8], address: &Address) -> io::Result<usize> {
        match self {
            Handle::System(real) => {
                real.send_to_with_flags(bytes, &address.to_system()?, NO_SIGNAL)
            }
            Handle::Memory(socket) => socket.send(bytes, Some(address)),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<Address> {
        match self {
            Handle::System(real) => Address::of_system(&real.local_addr()?),
            Handle::Memory(socket) => socket.local_addr(),
        }
    }

    pub(super) fn peer_addr(&self) -> io::Result<Address> {
        match self {
            Handle::System(real) => Address::of_system(&real.peer_addr()?),
            Handle::Memory(socket) => socket.peer_addr(),
        }
    }

    /// Ends one direction or both.
    pub(super) fn shutdown(&self, how: Shutdown, at: &'static Location<'static>) -> io::Result<()> {
        match self {
            Handle::System(real) => real.shutdown(how),
            Handle::Memory(socket) => socket.shutdown(how, at),
        }
    }

    /// Takes the error that has been noted for the socket.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Handle::System(real) => real.take_error(),
            Handle::Memory(socket) => socket.take_error(),
        }
    }

    /// Sets an option.
    pub(super) fn set(&self, choice: Choice, value: u32) -> io::Result<()> {
        let (real, is_on) = match self {
            Handle::System(real) => (real, value != 0),
            Handle::Memory(socket) => return socket.set(choice, value),
        };
        match choice {
            Choice::NoDelay => real.set_tcp_nodelay(is_on),
            #[cfg(target_os = "linux")]
            Choice::QuickAck => real.set_tcp_quickack(is_on),
            Choice::Ttl => real.set_ttl_v4(value),
            Choice::Broadcast => real.set_broadcast(is_on),
            Choice::MulticastLoopV4 => real.set_multicast_loop_v4(is_on),
            Choice::MulticastTtlV4 => real.set_multicast_ttl_v4(value),
            Choice::MulticastLoopV6 => real.set_multicast_loop_v6(is_on),
        }
    }

    /// Returns the value of an option.
    pub(super) fn get(&self, choice: Choice) -> io::Result<u32> {
        let real = match self {
            Handle::System(real) => real,
            Handle::Memory(socket) => return socket.get(choice),
        };
        match choice {
            Choice::NoDelay => real.tcp_nodelay().map(u32::from),
            #[cfg(target_os = "linux")]
            Choice::QuickAck => real.tcp_quickack().map(u32::from),
            Choice::Ttl => real.ttl_v4(),
            Choice::Broadcast => real.broadcast().map(u32::from),
            Choice::MulticastLoopV4 => real.multicast_loop_v4().map(u32::from),
            Choice::MulticastTtlV4 => real.multicast_ttl_v4(),
            Choice::MulticastLoopV6 => real.multicast_loop_v6().map(u32::from),
        }
    }

    /// Joins a group, or leaves it.
    pub(super) fn group(&self, group: Group<'_>, joins: bool) -> io::Result<()> {
        let real = match self {
            Handle::System(real) => real,
            Handle::Memory(_) => return Err(unsupported("a network in memory has no multicast")),
        };
        match (group, joins) {
            (Group::V4(group, interface), true) => real.join_multicast_v4(group, interface),
            (Group::V4(group, interface), false) => real.leave_multicast_v4(group, interface),
            (Group::V6(group, interface), true) => real.join_multicast_v6(group, interface),
            (Group::V6(group, interface), false) => real.leave_multicast_v6(group, interface),
        }
    }

    /// Returns what an engine watches.
    pub(super) fn target(&self) -> Target {
        match self {
            Handle::System(real) => Target::Descriptor(real.as_raw_fd()),
            Handle::Memory(socket) => Target::Memory(socket.id()),
        }
    }

    /// Returns the number of the descriptor, if there is one.
    pub(super) fn descriptor_number(&self) -> Option<i32> {
        match self {
            Handle::System(real) => Some(real.as_raw_fd()),
            Handle::Memory(_) => None,
        }
    }

    /// Returns the descriptor, in this mode, with the timeouts for reading and writing.
    ///
    /// # Errors
    ///
    /// If the socket is in memory.
    pub(super) fn into_descriptor(
        self,
        is_nonblocking: bool,
        timeouts: [Option<Duration>; 2],
    ) -> io::Result<OwnedFd> {
        let Handle::System(real) = self else { return Err(unsupported(NO_DESCRIPTOR)) };
        // They fail for no open descriptor.
        // mistake: mode-kept
        let _ = real.set_nonblocking(is_nonblocking);
        let _ = timeouts[0].map(|timeout| real.set_read_timeout(Some(timeout)));
        let _ = timeouts[1].map(|timeout| real.set_write_timeout(Some(timeout)));
        Ok(real.into())
    }

    /// Returns a duplicate of the descriptor.
    ///
    /// # Errors
    ///
    /// If there are no more descriptors, or the socket is in memory.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        match self {
            Handle::System(real) => Ok(real.try_clone()?.into()),
            Handle::Memory(_) => Err(unsupported(NO_DESCRIPTOR)),
        }
    }
}

const NO_DESCRIPTOR: &str = "a socket of a network in memory has no descriptor";

/// Returns the error of a call that would block, if the error is that of a connection that is being made.
fn in_progress(error: io::Error) -> io::Result<()> {
    let kinds = [io::ErrorKind::NotConnected, io::ErrorKind::Interrupted];
    let is_in_progress =
        error.raw_os_error() == Some(libc::EINPROGRESS) || kinds.contains(&error.kind());
    Err(if is_in_progress { system::would_block() } else { error })
}

/// As it is named in reports: `(fd 7)`.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handle::System(real) => write!(f, "(fd {})", real.as_raw_fd()),
            Handle::Memory(_) => f.write_str("(in memory)"),
        }
    }
}

/// # Panics
///
/// If the socket is in memory.
impl AsFd for Handle {
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::System(real) => real.as_fd(),
            Handle::Memory(_) => panic!("{NO_DESCRIPTOR}"),
        }
    }
}
