//! Streams of the Unix domain.

use std::io;
use std::net::Shutdown;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::{SocketAddr, unix};
use crate::driver::io::{Address, Kind, Socket, reader_traits, writer_traits};
use crate::io::Duplex;

/// A connection within the host, as [`std::os::unix::net::UnixStream`].
///
/// # Examples
///
/// ```
/// use leno::os::unix::net::UnixStream;
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let (mut one, mut other) = UnixStream::pair()?;
///     leno::spawn(move || one.write_all(b"hello"));
///     let mut text = String::new();
///     other.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixStream(pub(crate) Arc<Socket>);

impl UnixStream {
    /// Connects to a listener at a path. Waits while its backlog is full.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and connect(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The connection is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-connect-{}", std::process::id()));
    /// let _listener = UnixListener::bind(&path)?;
    /// UnixStream::connect(&path)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to a listener at an address. Waits while its backlog is full.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and connect(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The connection is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-connect-addr-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// UnixStream::connect_addr(&listener.local_addr()?)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let address = Address::Unix(address.clone());
        Ok(UnixStream(Arc::new(Socket::connect(
            Kind::UnixStream,
            &address,
            None,
            Location::caller(),
        )?)))
    }

    /// Makes two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use leno::os::unix::net::UnixStream;
    ///
    /// let (mut one, mut other) = UnixStream::pair()?;
    /// one.write_all(b"x")?;
    /// assert_eq!(other.read(&mut [0; 9])?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = Socket::pair(Kind::UnixStream)?;
        Ok((UnixStream(Arc::new(one)), UnixStream(Arc::new(other))))
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
    /// use leno::os::unix::net::UnixStream;
    ///
    /// let (one, other) = UnixStream::pair()?;
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
    /// use leno::os::unix::net::UnixStream;
    ///
    /// let (one, other) = UnixStream::pair()?;
    /// assert!(one.peer_addr()?.is_unnamed());
    /// drop(other);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix(self.0.peer_addr()?)
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
    /// use leno::os::unix::net::UnixStream;
    ///
    /// let (one, mut other) = UnixStream::pair()?;
    /// one.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(other.read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl Duplex for UnixStream {
    #[track_caller]
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

socket_methods!(UnixStream, "let (socket, _other) = leno::os::unix::net::UnixStream::pair()?;");
timeout_methods!(UnixStream, "let (socket, _other) = leno::os::unix::net::UnixStream::pair()?;");
reader_traits!(UnixStream, &UnixStream);
writer_traits!(UnixStream, &UnixStream);
