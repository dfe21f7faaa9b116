//! Listeners of TCP.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use super::{TcpStream, ToSocketAddrs, each, ip};
use crate::driver::io::{Kind, Socket};

/// A socket that accepts connections, as [`std::net::TcpListener`].
///
/// It is closed when it is dropped, after the last clone. [`shutdown(2)`] has no method here, as in
/// std: to end a green thread that accepts, cancel it.
///
/// # Examples
///
/// ```
/// use leno::net::{TcpListener, TcpStream};
///
/// leno::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let _client = TcpStream::connect(listener.local_addr()?)?;
///     let (stream, peer) = listener.accept()?;
///     assert_eq!(stream.peer_addr()?, peer);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// [`shutdown(2)`]: https://man7.org/linux/man-pages/man2/shutdown.2.html
pub struct TcpListener(pub(crate) Arc<Socket>);

impl TcpListener {
    /// Makes a listener at the first of the addresses that can be had. Port 0 lets the operating system
    /// choose one. Sets `SO_REUSEADDR`, as std does.
    ///
    /// The backlog, the number of connections that may wait to be accepted, is 4,096, unless the
    /// system's limit is lower (`net.core.somaxconn`).
    ///
    /// # Errors
    ///
    /// Those of socket(2), bind(2) and listen(2) for the last address; of the lookup of a name; if
    /// there is no address.
    ///
    /// # Cancellation
    ///
    /// A cancellation point if a name is looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        let at = Location::caller();
        let bind = |address| Socket::bind(Kind::TcpListener, &address, at);
        Ok(TcpListener(Arc::new(each(address, bind)?)))
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(self.0.local_addr()?)
    }

    /// Waits for a connection. Returns it, and the address of the peer. With a limit
    /// ([`set_max_connections`](TcpListener::set_max_connections)), it waits first until there is room.
    ///
    /// A connection that has ended before it was accepted is passed over. If the process has no
    /// more descriptors, it waits for one to be closed, for at most 100 ms, so that a loop that ignores
    /// the error leaves time for others.
    ///
    /// # Errors
    ///
    /// Those of accept(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No connection is accepted and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _client = TcpStream::connect(listener.local_addr()?)?;
    /// let (_stream, peer) = listener.accept()?;
    /// assert!(peer.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.0.accept()?;
        Ok((TcpStream(Arc::new(socket)), ip(peer)?))
    }

    /// Returns an iterator over connections, without an end: each item is the result of
    /// [`accept`](TcpListener::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _client = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(listener.incoming().next().unwrap().is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

socket_methods!(TcpListener, "let socket = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;");
limit_methods!(TcpListener, "let socket = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;");
ttl_methods!(TcpListener, "let socket = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;");

/// An iterator over the connections of a [`TcpListener`]; see [`TcpListener::incoming`].
///
/// # Examples
///
/// ```
/// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
/// listener.set_nonblocking(true)?;
/// let error = listener.incoming().next().unwrap().unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "iterators are lazy and do nothing unless consumed"]
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl std::iter::FusedIterator for Incoming<'_> {}
