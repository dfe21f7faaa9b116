//! Streams of TCP.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{ToSocketAddrs, each, happy, ip};
use crate::driver::io::{Address, Choice, Kind, Socket, reader_traits, writer_traits};
use crate::io::Duplex;

/// A connection, as [`std::net::TcpStream`].
///
/// It is closed when it is dropped, after the last clone. Unread bytes then make the operating system
/// reset the connection, and what was written last may be lost: before closing, call
/// [`shutdown`](TcpStream::shutdown) for writing, and read to the end.
///
/// # Examples
///
/// ```
/// use leno::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?)?;
///     let (mut server, _) = listener.accept()?;
///     leno::spawn(move || client.write_all(b"hello"));
///     let mut text = [0; 5];
///     server.read_exact(&mut text)?;
///     assert_eq!(&text, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream(pub(crate) Arc<Socket>);

impl TcpStream {
    /// Connects to the first of the addresses that accepts. They are tried one after the other.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and connect(2) for the last address; of the lookup of a name; if there is no
    /// address.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The connection is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let at = Location::caller();
        let connect = |address| Socket::connect(Kind::TcpStream, &address, None, at);
        Ok(TcpStream(Arc::new(each(address, connect)?)))
    }

    /// Connects to the first of the addresses that answers: "happy eyeballs" of RFC 8305. An address that
    /// does not answer, as those of a family that the network loses, costs a quarter of a second, where
    /// [`connect`](TcpStream::connect) waits for the system's minutes.
    ///
    /// The families of IPv6 and IPv4 take turns, in the order of the addresses. Each attempt has 250 ms before
    /// the next one begins, which it does at once if one fails. The attempts that are left when one succeeds
    /// are given up: a listener may accept a connection that ends at once.
    ///
    /// # Errors
    ///
    /// If all attempts fail, those of socket(2) and connect(2) of the last one, except that an error that
    /// tells only that this host has no route to the family is returned if there is no other. Of the lookup
    /// of a name; if there is no address.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. All attempts are given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{TcpListener, TcpStream};
    /// use leno::time::{Duration, timeout};
    ///
    /// leno::run(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let host = ("localhost", listener.local_addr()?.port());
    ///     let stream = timeout(Duration::from_secs(60), || TcpStream::connect_happy(host)).unwrap()?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_happy<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        Ok(TcpStream(Arc::new(happy::connect(address.to_socket_addrs()?)?)))
    }

    /// Connects within a time.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] after the time; otherwise as [`connect`](TcpStream::connect). If the
    /// time is zero.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The connection is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let limit = std::time::Duration::from_secs(5);
    /// leno::net::TcpStream::connect_timeout(&listener.local_addr()?, limit)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            let text = "cannot set a 0 duration timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let socket = Socket::connect(
            Kind::TcpStream,
            &Address::Ip(*address),
            Some(timeout),
            Location::caller(),
        )?;
        Ok(TcpStream(Arc::new(socket)))
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.local_addr()?, listener.accept()?.1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(self.0.local_addr()?)
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip(self.0.peer_addr()?)
    }

    /// Ends reading, writing or both, of all clones. Calls that wait for that direction return. Never
    /// waits.
    ///
    /// # Errors
    ///
    /// Those of shutdown(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// stream.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(listener.accept()?.0.read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// Waits until there is something to read, and copies it. The next call that reads gets the same
    /// bytes. Returns their number; 0 at the end.
    ///
    /// # Errors
    ///
    /// Those of recv(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// stream.write_all(b"x")?;
    /// let (mut other, _) = listener.accept()?;
    /// assert_eq!(other.peek(&mut [0; 9])?, 1);
    /// assert_eq!(other.read(&mut [0; 9])?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.peek(bytes)
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`), without Nagle's algorithm.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set(Choice::NoDelay, nodelay.into())
    }

    /// Returns whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// assert!(!stream.nodelay()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.0.get(Choice::NoDelay)? != 0)
    }
}

impl Duplex for TcpStream {
    #[track_caller]
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

socket_methods!(
    TcpStream,
    "let listener = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;\n\
     let socket = leno::net::TcpStream::connect(listener.local_addr()?)?;"
);
timeout_methods!(
    TcpStream,
    "let listener = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;\n\
     let socket = leno::net::TcpStream::connect(listener.local_addr()?)?;"
);
ttl_methods!(
    TcpStream,
    "let listener = leno::net::TcpListener::bind(\"127.0.0.1:0\")?;\n\
     let socket = leno::net::TcpStream::connect(listener.local_addr()?)?;"
);
reader_traits!(TcpStream, &TcpStream);
writer_traits!(TcpStream, &TcpStream);
