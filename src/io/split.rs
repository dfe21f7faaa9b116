//! The two directions of a stream, owned apart.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

/// A stream of which one direction can be ended. [`split`] takes it, if besides a shared reference to it
/// reads and writes: while one thread waits to read, another one writes.
///
/// # Examples
///
/// A stream that counts what it reads:
///
/// ```
/// use leno::net::{Shutdown, TcpListener, TcpStream};
/// use std::io::{self, Read, Write};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// struct Counted(TcpStream, AtomicUsize);
///
/// impl leno::io::Duplex for Counted {
///     fn shutdown(&self, how: Shutdown) -> io::Result<()> {
///         self.0.shutdown(how)
///     }
/// }
///
/// impl Read for &Counted {
///     fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
///         let count = (&self.0).read(bytes)?;
///         self.1.fetch_add(count, Ordering::Relaxed);
///         Ok(count)
///     }
/// }
///
/// impl Write for &Counted {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         (&self.0).write(bytes)
///     }
///
///     fn flush(&mut self) -> io::Result<()> {
///         Ok(())
///     }
/// }
///
/// leno::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let stream = Counted(TcpStream::connect(listener.local_addr()?)?, AtomicUsize::new(0));
///     listener.accept()?.0.write_all(b"hello")?;
///     let (mut reader, _writer) = leno::io::split(stream);
///     reader.read_to_end(&mut Vec::new())?;
///     assert_eq!(reader.get_ref().1.load(Ordering::Relaxed), 5);
///     io::Result::Ok(())
/// })?;
/// # io::Result::Ok(())
/// ```
pub trait Duplex {
    /// Ends reading, writing or both, without waiting.
    ///
    /// # Errors
    ///
    /// If the stream is not connected.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// Returns a half of a stream that reads, and a half that writes. They can be moved to different threads,
/// and dropped in any order: the stream is closed with the last. It costs one allocation, and no descriptor.
///
/// A stream of [`leno::net`](crate::net) can be used by several threads without this, through `&TcpStream`
/// or a [clone](crate::net::TcpStream::try_clone). The halves differ by what they say: each has one
/// direction, and the end of the [`WriteHalf`] is the end of what the peer reads.
///
/// # Examples
///
/// ```
/// use leno::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let stream = TcpStream::connect(listener.local_addr()?)?;
///     leno::spawn(move || {
///         let (mut reader, mut writer) = leno::io::split(listener.accept()?.0);
///         leno::io::copy(&mut reader, &mut writer)
///     });
///     let (mut reader, mut writer) = leno::io::split(stream);
///     let requests = leno::spawn(move || writer.write_all(b"hello"));
///     let mut answers = String::new();
///     reader.read_to_string(&mut answers)?;
///     assert_eq!(answers, "hello");
///     requests.join().unwrap()
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn split<T: Duplex>(stream: T) -> (ReadHalf<T>, WriteHalf<T>)
where
    for<'a> &'a T: Read + Write,
{
    let stream = Arc::new(stream);
    (ReadHalf { stream: stream.clone() }, WriteHalf { stream, is_reunited: false })
}

/// The half of a stream that reads. See [`split`].
#[derive(Debug)]
pub struct ReadHalf<T> {
    stream: Arc<T>,
}

/// The half of a stream that writes. See [`split`].
///
/// When it is dropped, writing is [shut down](Duplex::shutdown): the peer reads what was written, and then
/// the end. An error of that is ignored. So is it when a thread unwinds: a peer can tell a message that is
/// cut off only by the message.
#[derive(Debug)]
pub struct WriteHalf<T: Duplex> {
    stream: Arc<T>,
    is_reunited: bool,
}

impl<T> ReadHalf<T> {
    /// Returns the stream, for its options and addresses, and for selects.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixStream;
    /// use std::io::{Read, Write};
    ///
    /// leno::run(|| {
    ///     let (one, mut other) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = leno::io::split(one);
    ///     other.write_all(b"hello")?;
    ///     leno::select! {
    ///         readable(reader.get_ref()) => assert_eq!(reader.read(&mut [0; 9])?, 5),
    ///         default(leno::time::Duration::from_secs(60)) => unreachable!(),
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.stream
    }
}

impl<T: Duplex> ReadHalf<T> {
    /// Returns the stream of both halves. Nothing is shut down.
    ///
    /// # Errors
    ///
    /// If the halves are of different streams: they are given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::os::unix::net::UnixStream;
    ///
    /// let (one, other) = UnixStream::pair()?;
    /// let (reader, writer) = leno::io::split(one);
    /// let (other_reader, other_writer) = leno::io::split(other);
    /// let error = reader.reunite(other_writer).unwrap_err();
    /// let _one: UnixStream = error.reader.reunite(writer).unwrap();
    /// let _other: UnixStream = other_reader.reunite(error.writer).unwrap();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reunite(self, mut writer: WriteHalf<T>) -> Result<T, ReuniteError<T>> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError { reader: self, writer });
        }
        writer.is_reunited = true;
        drop(writer);
        Ok(Arc::into_inner(self.stream).expect("only the two halves share a stream"))
    }
}

impl<T: Duplex> WriteHalf<T> {
    /// Returns the stream, for its options and addresses, and for selects.
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = leno::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = leno::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (_reader, writer) = leno::io::split(stream);
    /// writer.get_ref().set_nodelay(true)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.stream
    }
}

impl<T: Duplex> Drop for WriteHalf<T> {
    fn drop(&mut self) {
        // mistake: writer-ends-nothing
        if !self.is_reunited {
            // The peer may have closed the connection, which is no error here.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

impl<T> Read for ReadHalf<T>
where
    for<'a> &'a T: Read,
{
    #[track_caller]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(bytes)
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self.stream).read_vectored(buffers)
    }

    #[track_caller]
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        (&*self.stream).read_exact(bytes)
    }
}

impl<T: Duplex> Write for WriteHalf<T>
where
    for<'a> &'a T: Write,
{
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(bytes)
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.stream).write_vectored(buffers)
    }

    #[track_caller]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

/// The error of [`ReadHalf::reunite`] for halves of different streams, with both.
pub struct ReuniteError<T: Duplex> {
    /// The half that reads.
    pub reader: ReadHalf<T>,
    /// The half that writes.
    pub writer: WriteHalf<T>,
}

impl<T: Duplex> fmt::Debug for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<T: Duplex> fmt::Display for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl<T: Duplex> Error for ReuniteError<T> {}
