//! What Linux adds to sockets, with the interface of [`std::os::linux::net`].

#![forbid(unsafe_code)]

use std::io;

use crate::driver::io::Choice;
use crate::net::TcpStream;

pub use std::os::linux::net::SocketAddrExt;

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::net::TcpStream {}
}

/// What Linux adds to a [`TcpStream`], as [`std::os::linux::net::TcpStreamExt`].
///
/// # Examples
///
/// ```
/// use leno::net::{TcpListener, TcpStream};
/// use leno::os::linux::net::TcpStreamExt;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?)?;
/// stream.set_quickack(true)?;
/// assert!(stream.quickack()?);
/// # std::io::Result::Ok(())
/// ```
pub trait TcpStreamExt: sealed::Sealed {
    /// Sets whether what is received is acknowledged at once (`TCP_QUICKACK`). The system may reset
    /// it with any later call on the stream.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    fn set_quickack(&self, quickack: bool) -> io::Result<()>;

    /// Returns whether what is received is acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    fn quickack(&self) -> io::Result<bool>;
}

impl TcpStreamExt for TcpStream {
    fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.0.set(Choice::QuickAck, quickack.into())
    }

    fn quickack(&self) -> io::Result<bool> {
        Ok(self.0.get(Choice::QuickAck)? != 0)
    }
}
