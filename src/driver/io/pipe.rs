//! Ends of pipes: descriptors that are read by read(2) and written by write(2).

#![forbid(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;

use super::direction::Direction;
use super::readiness::Readiness;
use super::refuse_if_controlled;
use super::watch::Watch;
use crate::kernel::try_scheduler;
use crate::sys::pipe::without_signal;

/// An end of a pipe. The clones of a public object share it.
pub(crate) struct Pipe {
    // Before the file, which closes the descriptor.
    watch: Watch,
    file: File,
    /// The name of the public type.
    name: &'static str,
    /// The descriptor is in non-blocking mode: since the first call, so that a child which gets the end
    /// finds it as the system has made it.
    is_nonblocking: AtomicBool,
}

impl Pipe {
    /// Returns both ends of a new pipe, which exec(3) closes.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors. In an exploration without a network.
    pub(crate) fn pair(names: [&'static str; 2]) -> io::Result<(Pipe, Pipe)> {
        refuse_if_controlled(try_scheduler())?;
        let (reader, writer) = io::pipe()?;
        let [read_name, write_name] = names;
        Ok((Pipe::take_over(read_name, reader.into()), Pipe::take_over(write_name, writer.into())))
    }

    /// Takes over a descriptor.
    pub(crate) fn take_over(name: &'static str, descriptor: OwnedFd) -> Pipe {
        let (watch, file) = (Watch::default(), File::from(descriptor));
        Pipe { watch, file, name, is_nonblocking: AtomicBool::new(false) }
    }

    /// Gives the descriptor up, which blocks. Other clones keep theirs: then the returned one is a
    /// duplicate, and in the mode of the end.
    pub(crate) fn give_up(pipe: Arc<Pipe>) -> OwnedFd {
        match Arc::try_unwrap(pipe) {
            Ok(Pipe { watch, file, is_nonblocking, .. }) => {
                mem::drop(watch);
                // mistake: given-up-unblocked
                if is_nonblocking.into_inner() {
                    // It fails for no open descriptor.
                    let _ = SockRef::from(&file).set_nonblocking(false);
                }
                file.into()
            }
            Err(shared) => match shared.file.try_clone() {
                Ok(duplicate) => duplicate.into(),
                Err(error) => panic!("the end of a pipe cannot be given up: {error}"),
            },
        }
    }

    /// Reads. Returns the number of bytes; 0 is the end.
    #[track_caller]
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.run(Direction::Read, || (&self.file).read(bytes))
    }

    /// Reads into several buffers.
    #[track_caller]
    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Ok(0);
        }
        self.run(Direction::Read, || (&self.file).read_vectored(buffers))
    }

    /// Writes. Returns the number of bytes.
    #[track_caller]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.run(Direction::Write, || without_signal(|| (&self.file).write(bytes)))
    }

    /// Writes several buffers.
    #[track_caller]
    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Ok(0);
        }
        self.run(Direction::Write, || without_signal(|| (&self.file).write_vectored(buffers)))
    }

    #[track_caller]
    fn run<T>(
        &self,
        direction: Direction,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        // mistake: pipe-blocks
        if !self.is_nonblocking.load(Ordering::Relaxed) {
            SockRef::from(&self.file).set_nonblocking(true)?;
            self.is_nonblocking.store(true, Ordering::Relaxed);
        }
        self.watch.run(self.file.as_fd(), self, direction, attempt)
    }

    /// Returns the readiness for a call in this direction, for a select.
    #[track_caller]
    pub(crate) fn readiness(&self, direction: Direction) -> Readiness<'_> {
        self.watch.readiness(self.file.as_fd(), self, direction)
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The name in reports: `PipeReader (fd 7)`.
impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (fd {})", self.name, self.file.as_raw_fd())
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("fd", &self.file.as_raw_fd()).finish()
    }
}
