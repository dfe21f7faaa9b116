//! Foreign descriptors.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::channel::Ready;
use crate::driver::io::{Direction, Readiness, Watch};

/// A descriptor that green threads wait for, with the object that owns it.
///
/// Calls on the object are the program's own. They must not block: set `O_NONBLOCK`, or wait with
/// [`readable`](Watched::readable) before each. Files on disks are always ready for poll(2), and cannot be
/// waited for; calls on them belong into [`unblock`](crate::unblock).
///
/// It may be shared, as the sockets of [`leno::net`](crate::net): one thread waits to read and another to
/// write, and several queue. Outside a runtime, the OS thread waits.
///
/// # Examples
///
/// ```
/// use leno::io::Watched;
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let (reader, mut writer) = std::io::pipe()?;
///     let reader = Watched::new(reader);
///     leno::spawn(move || writer.write_all(b"hello"));
///     reader.readable()?;
///     let mut text = [0; 5];
///     reader.get_ref().read_exact(&mut text)?;
///     assert_eq!(&text, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Watched<T: AsFd> {
    // Before the object, which closes the descriptor.
    watch: Watch,
    object: T,
}

impl<T: AsFd> Watched<T> {
    /// Returns the object, to be waited for. The system sees the descriptor at the first wait. The
    /// object must not change its descriptor.
    pub fn new(object: T) -> Watched<T> {
        Watched { watch: Watch::default(), object }
    }

    /// Returns the object.
    pub fn get_ref(&self) -> &T {
        &self.object
    }

    /// Returns the object. It is waited for no longer.
    ///
    /// # Examples
    ///
    /// ```
    /// let (reader, _writer) = std::io::pipe()?;
    /// let _reader: std::io::PipeReader = leno::io::Watched::new(reader).into_inner();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> T {
        let Watched { watch, object } = self;
        mem::drop(watch);
        object
    }

    /// Waits until a read would not block: there is something to read, or the end, or an error.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be waited for. In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let (reader, writer) = std::io::pipe()?;
    /// drop(writer);
    /// leno::run(|| leno::io::Watched::new(reader).readable())?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn readable(&self) -> io::Result<()> {
        self.watch.wait(self.object.as_fd(), self, Direction::Read)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    ///
    /// As [`readable`](Watched::readable).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_reader, writer) = std::io::pipe()?;
    /// leno::run(|| leno::io::Watched::new(writer).writable())?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn writable(&self) -> io::Result<()> {
        self.watch.wait(self.object.as_fd(), self, Direction::Write)
    }

    /// Makes a call that reads, and makes it again after each wait while it fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). The descriptor must not block. It saves the look at the
    /// descriptor that [`readable`](Watched::readable) makes before each call.
    ///
    /// # Errors
    ///
    /// That of `call`; as [`readable`](Watched::readable).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. A call that has succeeded is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (one, mut other) = UnixStream::pair()?;
    /// one.set_nonblocking(true)?;
    /// leno::run(|| {
    ///     let one = leno::io::Watched::new(one);
    ///     leno::spawn(move || other.write_all(b"x"));
    ///     assert_eq!(one.read_with(|mut stream| stream.read(&mut [0; 9]))?, 1);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn read_with<R>(&self, mut call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let attempt = || call(&self.object);
        self.watch.run(self.object.as_fd(), self, Direction::Read, attempt)
    }

    /// Makes a call that writes, as [`read_with`](Watched::read_with) makes one that reads.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Watched::read_with).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. A call that has succeeded is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (one, _other) = UnixStream::pair()?;
    /// one.set_nonblocking(true)?;
    /// let one = leno::io::Watched::new(one);
    /// assert_eq!(leno::run(|| one.write_with(|mut stream| stream.write(b"hello")))?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn write_with<R>(&self, mut call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let attempt = || call(&self.object);
        self.watch.run(self.object.as_fd(), self, Direction::Write, attempt)
    }
}

/// A select waits for the descriptor.
impl<T: AsFd> Ready for Watched<T> {
    fn readiness(&self, direction: Direction) -> Readiness<'_> {
        self.watch.readiness(self.object.as_fd(), self, direction)
    }
}

/// The name in reports.
impl<T: AsFd> fmt::Display for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = std::any::type_name::<T>();
        let name = name.split('<').next().unwrap_or(name);
        let short = name.rsplit("::").next().unwrap_or(name);
        write!(f, "{short} (fd {})", self.object.as_fd().as_raw_fd())
    }
}

impl<T: AsFd> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("fd", &self.object.as_fd().as_raw_fd())
            .finish_non_exhaustive()
    }
}

impl<T: AsFd> AsFd for Watched<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}
