//! Listeners of the Unix domain.

use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::{SocketAddr, UnixStream, unix};
use crate::driver::io::{Address, Kind, Socket};

/// A socket that accepts connections at a path, as [`std::os::unix::net::UnixListener`].
///
/// # Examples
///
/// ```
/// use leno::os::unix::net::{UnixListener, UnixStream};
///
/// leno::run(|| {
///     let path = std::env::temp_dir().join(format!("leno-doc-listener-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let client = leno::spawn({
///         let path = path.clone();
///         move || UnixStream::connect(path)
///     });
///     listener.accept()?;
///     client.join().unwrap()?;
///     std::fs::remove_file(path)
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixListener(pub(crate) Arc<Socket>);

impl UnixListener {
    /// Makes a listener at a path, at which a file comes to be. It stays when the listener is dropped:
    /// remove it before binding again.
    ///
    /// # Errors
    ///
    /// Those of socket(2), bind(2) and listen(2): if the file exists, [`io::ErrorKind::AddrInUse`].
    ///
    /// # Examples
    ///
    /// ```
    /// let path = std::env::temp_dir().join(format!("leno-doc-bind-{}", std::process::id()));
    /// let listener = leno::os::unix::net::UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Makes a listener at an address.
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixListener::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{SocketAddr, UnixListener};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-bind-addr-{}", std::process::id()));
    /// UnixListener::bind_addr(&SocketAddr::from_pathname(&path)?)?;
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let socket =
            Socket::bind(Kind::UnixListener, &Address::Unix(address.clone()), Location::caller())?;
        Ok(UnixListener(Arc::new(socket)))
    }

    /// Waits for a connection. Returns it, and the address of the peer.
    ///
    /// # Errors
    ///
    /// Those of accept(2); see [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No connection is accepted and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-accept-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let _client = UnixStream::connect(&path)?;
    /// let (_stream, peer) = listener.accept()?;
    /// assert!(peer.is_unnamed());
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, peer) = self.0.accept()?;
        Ok((UnixStream(Arc::new(socket)), unix(peer)?))
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
    /// let path = std::env::temp_dir().join(format!("leno-doc-local-{}", std::process::id()));
    /// let listener = leno::os::unix::net::UnixListener::bind(&path)?;
    /// assert!(!listener.local_addr()?.is_unnamed());
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(self.0.local_addr()?)
    }

    /// Returns an iterator over connections, without an end: each item is the result of
    /// [`accept`](UnixListener::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::{UnixListener, UnixStream};
    ///
    /// let path = std::env::temp_dir().join(format!("leno-doc-incoming-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let _client = UnixStream::connect(&path)?;
    /// assert!(listener.incoming().next().unwrap().is_ok());
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

socket_methods!(
    UnixListener,
    "let path = std::env::temp_dir().join(format!(\"leno-doc-{}-{}\", line!(), std::process::id()));\n\
     let socket = leno::os::unix::net::UnixListener::bind(&path)?;\n\
     std::fs::remove_file(&path)?;"
);
limit_methods!(
    UnixListener,
    "let path = std::env::temp_dir().join(format!(\"leno-doc-{}-{}\", line!(), std::process::id()));\n\
     let socket = leno::os::unix::net::UnixListener::bind(&path)?;\n\
     std::fs::remove_file(&path)?;"
);

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}

/// An iterator over the connections of a [`UnixListener`]; see [`UnixListener::incoming`].
///
/// # Examples
///
/// ```
/// let path = std::env::temp_dir().join(format!("leno-doc-iterator-{}", std::process::id()));
/// let listener = leno::os::unix::net::UnixListener::bind(&path)?;
/// std::fs::remove_file(path)?;
/// listener.set_nonblocking(true)?;
/// let error = listener.incoming().next().unwrap().unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "iterators are lazy and do nothing unless consumed"]
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
