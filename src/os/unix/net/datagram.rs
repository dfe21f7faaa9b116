//! Datagrams of the Unix domain.

use std::io;
use std::net::Shutdown;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::{SocketAddr, unix};
use crate::driver::io::{Address, Kind, Socket};

/// A socket for datagrams within the host, as [`std::os::unix::net::UnixDatagram`].
///
/// # Examples
///
/// ```
/// use leno::os::unix::net::UnixDatagram;
///
/// leno::run(|| {
///     let (one, other) = UnixDatagram::pair()?;
///     leno::spawn(move || one.send(b"hello"));
///     assert_eq!(other.recv(&mut [0; 9])?, 5);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixDatagram(pub(crate) Arc<Socket>);

impl UnixDatagram {
    /// Makes a socket at a path, at which a file comes to be. It stays when the socket is dropped.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and bind(2): if the file exists, [`io::ErrorKind::AddrInUse`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-{}", std::process::id()));
    /// UnixDatagram::bind(&path)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Makes a socket at an address.
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixDatagram::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{SocketAddr, UnixDatagram};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-addr-{}", std::process::id()));
    /// UnixDatagram::bind_addr(&SocketAddr::from_pathname(&path)?)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        let socket =
            Socket::bind(Kind::UnixDatagram, &Address::Unix(address.clone()), Location::caller())?;
        Ok(UnixDatagram(Arc::new(socket)))
    }

    /// Makes a socket without an address.
    ///
    /// # Errors
    ///
    /// Those of socket(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::os::unix::net::UnixDatagram::unbound()?;
    /// assert!(socket.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        Ok(UnixDatagram(Arc::new(Socket::unbound(Kind::UnixDatagram)?)))
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.send(b"hello")?;
    /// assert_eq!(other.recv(&mut [0; 9])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = Socket::pair(Kind::UnixDatagram)?;
        Ok((UnixDatagram(Arc::new(one)), UnixDatagram(Arc::new(other))))
    }

    /// Sets the peer, at a path. Never waits.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-connect-{}", std::process::id()));
    /// let other = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.connect(&path)?;
    /// std::fs::remove_file(path)?;
    /// drop(other);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Sets the peer, at an address. Never waits.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-peer-{}", std::process::id()));
    /// let other = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.connect_addr(&other.local_addr()?)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.0.set_peer(&Address::Unix(address.clone()))
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
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// assert!(one.local_addr()?.is_unnamed());
    /// drop(other);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(self.0.local_addr()?)
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
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// assert!(one.peer_addr()?.is_unnamed());
    /// drop(other);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix(self.0.peer_addr()?)
    }

    /// Waits for a datagram. Returns the number of its bytes, and the sender's address. What has no room
    /// in `bytes` is lost.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No datagram is received and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.send(b"hello")?;
    /// let (count, sender) = other.recv_from(&mut [0; 9])?;
    /// assert!(count == 5 && sender.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn recv_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (count, sender) = self.0.receive_from(bytes, true)?;
        Ok((count, unix(sender)?))
    }

    /// Waits for a datagram. Returns the number of its bytes. What has no room in `bytes` is lost.
    ///
    /// # Errors
    ///
    /// Those of recv(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No datagram is received and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.send(b"hello")?;
    /// assert_eq!(other.recv(&mut [0; 2])?, 2);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.receive_datagram(bytes)
    }

    /// Sends a datagram to a socket at a path. Waits while there is no room for it. Returns the number of
    /// bytes.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-send-{}", std::process::id()));
    /// let other = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.send_to(b"hello", &path)?;
    /// assert_eq!(other.recv(&mut [0; 9])?, 5);
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send_to<P: AsRef<Path>>(&self, bytes: &[u8], path: P) -> io::Result<usize> {
        self.send_to_addr(bytes, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to a socket at an address. Waits while there is no room for it. Returns the number
    /// of bytes.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-dgram-to-{}", std::process::id()));
    /// let other = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.send_to_addr(b"hello", &other.local_addr()?)?;
    /// assert_eq!(other.recv(&mut [0; 9])?, 5);
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send_to_addr(&self, bytes: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.0.send_to(bytes, &Address::Unix(address.clone()))
    }

    /// Sends a datagram to the peer. Waits while there is no room for it. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of send(2). Without a peer.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// assert_eq!(one.send(b"hello")?, 5);
    /// drop(other);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_datagram(bytes)
    }

    /// Ends receiving, sending or both, of all clones. Calls that wait for that direction return. Never
    /// waits.
    ///
    /// # Errors
    ///
    /// Those of shutdown(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixDatagram;
    ///
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.shutdown(std::net::Shutdown::Both)?;
    /// assert!(other.send(b"hello").is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

socket_methods!(UnixDatagram, "let (socket, _other) = leno::os::unix::net::UnixDatagram::pair()?;");
timeout_methods!(
    UnixDatagram,
    "let (socket, _other) = leno::os::unix::net::UnixDatagram::pair()?;"
);
