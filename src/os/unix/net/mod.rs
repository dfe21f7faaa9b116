//! Sockets of the Unix domain, with the interface of [`std::os::unix::net`].
//!
//! They wait, and are cancelled and shared, as those of [`leno::net`](crate::net), which says what std has
//! besides. The longest path of a socket, 108 bytes on Linux, is shown as no name: a program cannot make a
//! [`SocketAddr`] of it.
//!
//! # Examples
//!
//! ```
//! use leno::os::unix::net::UnixStream;
//! use std::io::{Read, Write};
//!
//! leno::run(|| {
//!     let (mut one, mut other) = UnixStream::pair()?;
//!     one.write_all(b"hello")?;
//!     assert_eq!(other.read(&mut [0; 9])?, 5);
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

mod datagram;
mod listener;
mod stream;

use std::io;

use crate::driver::io::Address;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use std::os::unix::net::SocketAddr;
pub use stream::UnixStream;

/// Returns an address of the Unix domain.
fn unix(address: Address) -> io::Result<SocketAddr> {
    match address {
        Address::Unix(address) => Ok(address),
        Address::Ip(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a Unix socket")),
    }
}
