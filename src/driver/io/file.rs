//! Files: a call is made at once if the system can tell that it does not wait, and else on an OS thread of
//! the pool.
//!
//! Linux tells that of a read of what is in the cache, and of a write, by file system. A FIFO, a terminal
//! or a device is waited for as other descriptors are, before the call is made.

#![forbid(unsafe_code)]

mod to_end;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::begin;
use super::direction::Direction;
use super::watch::Watch;
use crate::kernel::{External, Scheduler, Wait, WaitFor, try_scheduler};
use crate::remote::pool::{self, Leave};
use crate::sys::file::{Nature, is_stream, nature, read_cached, write_cached};
use crate::sys::pipe::without_signal;

/// What a thread waits for while an OS thread of the pool makes its call.
const CALL: &str = "the end of a call on";

/// The most bytes that are copied at once: other threads then have a turn.
const MOST_AT_ONCE: usize = 1 << 20;

/// The most bytes that a stream takes without a wait once it can be written to: PIPE_BUF of Linux. Other
/// systems promise 512.
pub(super) const MOST_TO_STREAM: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// An open file.
pub(crate) struct OpenFile {
    // Before the file, which closes the descriptor.
    watch: Watch,
    file: File,
    shared: Arc<Shared>,
}

/// What the clones of a file share, as they share its cursor.
#[derive(Default)]
struct Shared {
    /// For reports, if the path is known.
    path: Option<PathBuf>,
    nature: OnceLock<Nature>,
    /// The number of calls on OS threads of the pool that use the cursor. The system lets others wait.
    at_cursor: AtomicUsize,
    /// The system cannot tell whether a read waits, or a write.
    reads_by_pool: AtomicBool,
    writes_by_pool: AtomicBool,
}

/// Refuses what an exploration cannot repeat. A cancellation point.
///
/// # Errors
///
/// In an exploration.
#[inline]
fn begin_file(scheduler: &Scheduler, at: &'static Location<'static>) -> io::Result<()> {
    if scheduler.is_controlled() {
        return Err(refusal());
    }
    begin(scheduler, at)
}

#[cold]
fn refusal() -> io::Error {
    io::Error::new(
        ErrorKind::Unsupported,
        "leno::weave explores a program by itself, and files depend on what is outside: read them \
         before the explored part, and replace them by values in it",
    )
}

/// Makes a call on files, on an OS thread of the pool. `verb` and `object` name it in reports. The call is
/// made to its end.
///
/// # Errors
///
/// That of `f`; in an exploration.
#[track_caller]
pub(crate) fn call<T: Send>(
    verb: &'static str,
    object: &dyn fmt::Display,
    f: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let Some(scheduler) = try_scheduler() else { return f() };
    let at = Location::caller();
    begin_file(scheduler, at)?;
    lend(scheduler, verb, object, at, f)
}

/// Makes a call on an OS thread of the pool, which has begun.
fn lend<T: Send>(
    scheduler: &Scheduler,
    verb: &'static str,
    object: &dyn fmt::Display,
    at: &'static Location<'static>,
    f: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let external = External::by_message(verb, CALL, object);
    pool::lend(scheduler, &Wait::at(WaitFor::External(&external), at), f)
}

/// Makes a call that opens the files at these paths, on an OS thread of the pool. If one of them is a
/// stream, the call may wait for ever: a thread that is cancelled leaves it.
///
/// # Errors
///
/// That of `f`; in an exploration.
#[track_caller]
pub(crate) fn opening_call<T: Send + 'static>(
    verb: &'static str,
    paths: [&Path; 2],
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let Some(scheduler) = try_scheduler() else { return f() };
    let at = Location::caller();
    begin_file(scheduler, at)?;
    let object = paths[0].display();
    let external = External::by_message(verb, CALL, &object);
    let paths = paths.map(Path::to_owned);
    let f = move |leave: &Leave| {
        let may_wait = paths.iter().any(|path| is_stream(path));
        (!may_wait || leave.allow()).then(f)
    };
    pool::hand_over(scheduler, &Wait::at(WaitFor::External(&external), at), f)
}

/// Copies a file, on an OS thread of the pool.
///
/// # Errors
///
/// Those of the calls that [`std::fs::copy`] makes; in an exploration.
#[track_caller]
pub(crate) fn copy_files(from: &Path, to: &Path) -> io::Result<u64> {
    let owned = (from.to_owned(), to.to_owned());
    // The copy may be a FIFO.
    // mistake: copy-signals
    let copy = move || without_signal(|| std::fs::copy(owned.0, owned.1));
    opening_call("copies", [from, to], copy)
}

impl OpenFile {
    /// Opens the file at a path.
    ///
    /// # Errors
    ///
    /// Those of open(2); in an exploration.
    #[track_caller]
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> io::Result<OpenFile> {
        let shared = Shared { path: Some(path.to_owned()), ..Shared::default() };
        let (owned, options) = (path.to_owned(), options.clone());
        let (file, nature) = opening_call("opens", [path, Path::new("")], move || {
            let file = options.open(owned)?;
            let nature = nature(file.as_fd());
            Ok((file, nature))
        })?;
        let _ = shared.nature.set(nature);
        Ok(OpenFile { watch: Watch::default(), file, shared: Arc::new(shared) })
    }

    /// Returns the clone of a file, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    pub(crate) fn try_clone(&self) -> io::Result<OpenFile> {
        let (watch, file) = (Watch::default(), self.file.try_clone()?);
        Ok(OpenFile { watch, file, shared: self.shared.clone() })
    }

    /// Returns the file of std.
    pub(crate) fn get(&self) -> &File {
        &self.file
    }

    /// Returns the file of std. It is waited for no longer.
    pub(crate) fn into_inner(self) -> File {
        let OpenFile { watch, file, .. } = self;
        mem::drop(watch);
        file
    }

    /// Makes a call on the file, on an OS thread of the pool, to its end.
    ///
    /// # Errors
    ///
    /// That of `f`; in an exploration.
    #[track_caller]
    pub(crate) fn call<T: Send>(
        &self,
        verb: &'static str,
        f: impl FnOnce(&File) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        call(verb, self, || f(&self.file))
    }

    fn nature(&self) -> Nature {
        *self.shared.nature.get_or_init(|| nature(self.file.as_fd()))
    }

    /// Reads at the offset, or at the cursor. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of read(2); in an exploration.
    #[inline]
    #[track_caller]
    pub(crate) fn read(&self, bytes: &mut [u8], offset: Option<u64>) -> io::Result<usize> {
        let Some(scheduler) = try_scheduler() else {
            return read_by(&self.file, &mut [IoSliceMut::new(bytes)], offset);
        };
        let at = Location::caller();
        begin_file(scheduler, at)?;
        let mut done = 0;
        loop {
            let end = bytes.len().min(done + MOST_AT_ONCE);
            let part = &mut bytes[done..end];
            let (wanted, offset) = (part.len(), offset.map(|it| it.saturating_add(done as u64)));
            match self.read_now(&mut [IoSliceMut::new(part)], offset) {
                // The end, or all that is wanted.
                Some(Ok(0)) => return Ok(done),
                Some(Ok(count)) => {
                    done += count;
                    if done == bytes.len() || count < wanted && self.nature().is_stream {
                        return Ok(done);
                    }
                    if count == wanted {
                        // Bytes have been read: a cancellation comes later.
                        scheduler.yield_while_panicking(at);
                    }
                }
                Some(Err(error)) => return if done > 0 { Ok(done) } else { Err(error) },
                None => {
                    let mut rest = [IoSliceMut::new(&mut bytes[done..])];
                    let read = |file: &File| read_by(file, &mut rest, offset);
                    let result =
                        self.slowly(scheduler, Operation::READ, offset, done > 0, at, read);
                    return added(done, result);
                }
            }
        }
    }

    /// Reads into several buffers. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`OpenFile::read`].
    #[track_caller]
    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(scheduler) = try_scheduler() else { return (&self.file).read_vectored(buffers) };
        let at = Location::caller();
        begin_file(scheduler, at)?;
        let bytes = buffers.iter().map(|buffer| buffer.len()).sum::<usize>();
        match (bytes <= MOST_AT_ONCE).then(|| self.read_now(buffers, None)).flatten() {
            Some(result) => result,
            None => {
                let read = |file: &File| read_by(file, buffers, None);
                self.slowly(scheduler, Operation::READ, None, false, at, read)
            }
        }
    }

    /// Writes at the offset, or at the cursor. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of write(2); in an exploration.
    #[inline]
    #[track_caller]
    pub(crate) fn write(&self, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
        let Some(scheduler) = try_scheduler() else {
            return self.write_by(&[IoSlice::new(bytes)], offset);
        };
        let at = Location::caller();
        begin_file(scheduler, at)?;
        let now = &bytes[..bytes.len().min(MOST_AT_ONCE)];
        let (done, offset) = match self.write_now(&[IoSlice::new(now)], offset) {
            Some(Ok(done)) if done < bytes.len() && !self.nature().is_stream => {
                (done, offset.map(|it| it.saturating_add(done as u64)))
            }
            Some(result) => return result,
            None => (0, offset),
        };
        let most = if self.nature().is_stream { MOST_TO_STREAM } else { usize::MAX };
        let rest = [IoSlice::new(&bytes[done..bytes.len().min(most)])];
        let write = |_: &File| self.write_by(&rest, offset);
        added(done, self.slowly(scheduler, Operation::WRITE, offset, done > 0, at, write))
    }

    /// Writes several buffers. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`OpenFile::write`].
    #[track_caller]
    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(scheduler) = try_scheduler() else { return self.write_by(buffers, None) };
        let at = Location::caller();
        if self.nature().is_stream {
            let first = buffers.iter().find(|buffer| !buffer.is_empty());
            return self.write(first.map_or(&[], |buffer| buffer), None);
        }
        begin_file(scheduler, at)?;
        let bytes = buffers.iter().map(|buffer| buffer.len()).sum::<usize>();
        match (bytes <= MOST_AT_ONCE).then(|| self.write_now(buffers, None)).flatten() {
            Some(result) => result,
            None => {
                let write = |_: &File| self.write_by(buffers, None);
                self.slowly(scheduler, Operation::WRITE, None, false, at, write)
            }
        }
    }

    /// Moves the cursor. Returns its place.
    ///
    /// # Errors
    ///
    /// Those of lseek(2); in an exploration.
    #[track_caller]
    pub(crate) fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let Some(scheduler) = try_scheduler() else { return (&self.file).seek(to) };
        // A file system of a network asks for the end.
        if matches!(to, SeekFrom::End(_)) || !self.is_cursor_free(None) {
            return self.call("seeks in", |mut file| file.seek(to));
        }
        begin_file(scheduler, Location::caller())?;
        (&self.file).seek(to)
    }

    /// Returns `true` if no call on the pool uses the cursor, or this one does not.
    #[inline]
    fn is_cursor_free(&self, offset: Option<u64>) -> bool {
        offset.is_some() || self.shared.at_cursor.load(Ordering::Relaxed) == 0
    }

    /// Reads if that does not wait.
    #[inline]
    fn read_now(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        offset: Option<u64>,
    ) -> Option<io::Result<usize>> {
        if !self.is_cursor_free(offset) {
            return None;
        }
        if self.nature().never_waits {
            return Some(read_by(&self.file, buffers, offset));
        }
        let by_pool = &self.shared.reads_by_pool;
        if by_pool.load(Ordering::Relaxed) {
            return None;
        }
        told(read_cached(&self.file, buffers, offset), by_pool)
    }

    /// Writes if that does not wait.
    fn write_now(&self, buffers: &[IoSlice<'_>], offset: Option<u64>) -> Option<io::Result<usize>> {
        if !self.is_cursor_free(offset) {
            return None;
        }
        let nature = self.nature();
        if nature.never_waits {
            return Some(self.write_by(buffers, offset));
        }
        let by_pool = &self.shared.writes_by_pool;
        if by_pool.load(Ordering::Relaxed) || nature.is_synchronous {
            return None;
        }
        told(self.quietly(|| write_cached(&self.file, buffers, offset)), by_pool)
    }

    /// Writes the only buffer at the offset, or at the cursor.
    fn write_by(&self, buffers: &[IoSlice<'_>], offset: Option<u64>) -> io::Result<usize> {
        let mut file = &self.file;
        self.quietly(|| match (offset, buffers) {
            (Some(offset), [only]) => file.write_at(only, offset),
            (_, [only]) => file.write(only),
            (_, buffers) => file.write_vectored(buffers),
        })
    }

    /// Writes by `write`. A FIFO without a reader is an error, and no signal.
    fn quietly<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // mistake: stream-signals
        if self.nature().is_stream { without_signal(write) } else { write() }
    }

    /// Makes a call that may wait, on an OS thread of the pool. Before that, waits for a stream; the call
    /// on it is cancelled there, unless a part of it `has_begun`.
    fn slowly(
        &self,
        scheduler: &Scheduler,
        operation: Operation,
        offset: Option<u64>,
        has_begun: bool,
        at: &'static Location<'static>,
        mut f: impl FnMut(&File) -> io::Result<usize> + Send,
    ) -> io::Result<usize> {
        // mistake: stream-unawaited
        if !has_begun && self.nature().is_stream {
            self.watch.wait_at(self.file.as_fd(), self, operation.direction, at)?;
        }
        let at_cursor = usize::from(offset.is_none());
        self.shared.at_cursor.fetch_add(at_cursor, Ordering::Relaxed);
        // mistake: done-lost
        let result = lend(scheduler, operation.verb, self, at, || {
            loop {
                match f(&self.file) {
                    // As on sockets, a signal interrupts no call.
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
        });
        self.shared.at_cursor.fetch_sub(at_cursor, Ordering::Relaxed);
        result
    }
}

/// A read or a write, in the words of reports.
struct Operation {
    direction: Direction,
    verb: &'static str,
}

impl Operation {
    const READ: Operation = Operation { direction: Direction::Read, verb: "reads" };
    const WRITE: Operation = Operation { direction: Direction::Write, verb: "writes to" };
}

/// Returns the result of a call, unless it would wait. Notes in `by_pool` if the system cannot tell.
#[inline]
fn told(result: io::Result<usize>, by_pool: &AtomicBool) -> Option<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            by_pool.store(true, Ordering::Relaxed);
            None
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

/// Returns the number of bytes of both parts. An error after a part comes with the next call.
fn added(done: usize, rest: io::Result<usize>) -> io::Result<usize> {
    match rest {
        Err(_) if done > 0 => Ok(done),
        rest => Ok(done + rest?),
    }
}

/// Reads at the offset into the only buffer, or at the cursor.
fn read_by(
    mut file: &File,
    buffers: &mut [IoSliceMut<'_>],
    offset: Option<u64>,
) -> io::Result<usize> {
    match (offset, buffers) {
        (Some(offset), [only]) => file.read_at(only, offset),
        (_, [only]) => file.read(only),
        (_, buffers) => file.read_vectored(buffers),
    }
}

impl From<File> for OpenFile {
    fn from(file: File) -> OpenFile {
        OpenFile { watch: Watch::default(), file, shared: Arc::default() }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The name in reports.
impl fmt::Display for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File ")?;
        if let Some(path) = &self.shared.path {
            write!(f, "{} ", path.display())?;
        }
        write!(f, "(fd {})", self.file.as_raw_fd())
    }
}
