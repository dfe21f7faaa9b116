//! Sockets of TCP and UDP, with the interface of [`std::net`].
//!
//! A call that would block makes only its green thread wait: others run, and the runtime sleeps when
//! none can. A program that is written for [`std::net`], with a thread for each connection, becomes one
//! of green threads by its imports. Sockets of the Unix domain are in
//! [`leno::os::unix::net`](crate::os::unix::net).
//!
//! **Sharing.** One object may be read and written at once, by different green threads. Several that
//! read are served in the order in which they came, one at a time. [`TcpStream::try_clone`] returns
//! another reference to the same object and costs no descriptor. Sockets are `Send` and `Sync`: each
//! runtime that uses one adds it to its own engine, and outside a runtime a call blocks the OS thread,
//! as in std.
//!
//! **Cancellation.** Each call that may wait is a cancellation point, and deadlines of
//! [`leno::time::timeout`](crate::time::timeout) apply. A call that returns has done what it says; one
//! that is unwound has read, written and accepted nothing. After a `write` has returned fewer bytes
//! than it was given, or `write_all` was unwound, a stream may carry the beginning of a message.
//!
//! **Several at once.** [`select!`](crate::select!) waits for sockets beside channels, ends of green
//! threads and deadlines: `readable(stream) => ...`, see [`Ready`](crate::channel::Ready).
//!
//! **Turns.** A call that need not wait does not switch, except that after 16 calls in a row
//! other green threads have a turn. After `set_nonblocking(true)` a call never switches and is no
//! cancellation point, so it may be made under a lock of std.
//!
//! **Names** are looked up on the pool of OS threads of [`unblock`](crate::unblock): only the green
//! thread waits. [`ToSocketAddrs`] is a trait of leno for that reason. A lookup that is cancelled goes on
//! there, and its result is dropped.
//!
//! **Descriptors do not block** while leno owns them: a socket that is converted from one of
//! std is set so, and set back when it is converted into one of std. Two descriptors of one socket
//! (dup(2), fork(2)) share this mode.
//!
//! **Virtual time** stands still while a green thread waits for a socket.
//!
//! **Explorations.** [`leno::weave`](crate::weave) repeats a program, which it cannot do with the world
//! outside: in an exploration a call on a socket fails with [`io::ErrorKind::Unsupported`], unless
//! [`Explorer::network`](crate::weave::Explorer::network) gives it a [network in memory](MemoryNetwork).
//! That is for tests, too: it loses connections and delays reports if asked to.
//!
//! # What std has besides
//!
//! Every stable item of [`std::net`], [`std::os::unix::net`] and `std::os::linux::net` is here, as of
//! Rust 1.95, but
//!
//! - what is deprecated: `TcpListener::only_v6` and `set_only_v6`, since a listener is bound already;
//! - the shorter way of [`std::io::copy`] from a file or a pipe to a socket of std, which is sendfile(2)
//!   or splice(2): to a socket of leno it copies by a buffer.
//!
//! Besides, these calls differ:
//!
//! - a clone has the same descriptor, where std's has another one: `try_clone` never fails;
//! - a signal interrupts no call, so that none fails with [`io::ErrorKind::Interrupted`];
//! - a listener lets up to 4,096 connections wait to be accepted, or the limit of the system, where std's
//!   lets 128; `accept` waits for a short time if the process has no more descriptors;
//! - timeouts are kept to the nanosecond, and are those of the object: `SO_RCVTIMEO` is not set.
//!
//! # Examples
//!
//! ```
//! use leno::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! leno::run(|| {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     let echo = leno::spawn(move || {
//!         let (mut stream, _) = listener.accept()?;
//!         std::io::copy(&mut stream.try_clone()?, &mut stream)
//!     });
//!     let mut stream = TcpStream::connect(address)?;
//!     stream.write_all(b"hello")?;
//!     stream.shutdown(std::net::Shutdown::Write)?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     assert_eq!(answer, "hello");
//!     assert_eq!(echo.join().unwrap()?, 5);
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! [`io::ErrorKind::Unsupported`]: std::io::ErrorKind::Unsupported

#![forbid(unsafe_code)]

#[macro_use]
mod methods;

mod addrs;
mod happy;
mod tcp_listener;
mod tcp_stream;
mod udp;

use std::io;

use crate::driver::io::Address;

pub use crate::driver::io::{Engine, MemoryNetwork};
pub use addrs::{ToSocketAddrs, lookup_host};
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp::UdpSocket;

/// Returns an address of TCP or UDP.
fn ip(address: Address) -> io::Result<SocketAddr> {
    match address {
        Address::Ip(address) => Ok(address),
        Address::Unix(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket")),
    }
}

/// Returns what `f` returns for the first of the addresses for which it succeeds.
///
/// # Errors
///
/// The last error of `f`. If the addresses cannot be looked up, or there are none.
#[track_caller]
fn each<T>(addresses: impl ToSocketAddrs, f: impl Fn(Address) -> io::Result<T>) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match f(Address::Ip(address)) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_addresses))
}

/// Returns the error of a lookup without a result.
fn no_addresses() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "there is no address to use")
}
