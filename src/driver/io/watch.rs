//! Waiting for descriptors that leno has not made.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::sync::OnceLock;

use super::call::{Call, Operation, Subject};
use super::direction::{Direction, Drained};
use super::engine::unsupported;
use super::readiness::Readiness;
use super::sources::Sources;
use crate::sys;

/// What the runtimes know of a foreign descriptor. It is dropped before the descriptor is closed.
#[derive(Default)]
pub(crate) struct Watch {
    sources: Sources,
    /// It is a file on a disk, for which there is no wait.
    is_file: OnceLock<bool>,
}

impl Watch {
    /// Makes a call by `attempt`, again after each wait, until it does not fail with
    /// [`io::ErrorKind::WouldBlock`]. `object` is the name in reports.
    ///
    /// # Errors
    ///
    /// That of `attempt`; if the descriptor cannot be waited for; in an exploration.
    #[track_caller]
    pub(crate) fn run<T>(
        &self,
        descriptor: BorrowedFd<'_>,
        object: &dyn fmt::Display,
        direction: Direction,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let call = self.call(descriptor, object, direction, Location::caller());
        self.make(&call, attempt)
    }

    fn make<T>(
        &self,
        call: &Call<'_>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let is_file =
            || *self.is_file.get_or_init(|| sys::socket::is_file(call.subject.descriptor()));
        call.run(|| match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_file() => {
                Err(unsupported("a file on a disk cannot be waited for: use leno::unblock"))
            }
            result => Ok((result?, Drained::Unknown)),
        })
    }

    fn call<'a>(
        &'a self,
        descriptor: BorrowedFd<'a>,
        object: &'a dyn fmt::Display,
        direction: Direction,
        at: &'static Location<'static>,
    ) -> Call<'a> {
        Call {
            object,
            subject: Subject::Foreign(descriptor),
            sources: &self.sources,
            operation: match direction {
                Direction::Read => Operation::READ,
                Direction::Write => Operation::WRITE,
            },
            timeout: None,
            is_nonblocking: false,
            at,
        }
    }

    /// Returns the readiness for a call in this direction, for a select.
    #[track_caller]
    pub(crate) fn readiness<'a>(
        &'a self,
        descriptor: BorrowedFd<'a>,
        object: &'a dyn fmt::Display,
        direction: Direction,
    ) -> Readiness<'a> {
        Readiness::of(&self.call(descriptor, object, direction, Location::caller()))
    }

    /// Waits until a call in this direction would not block.
    ///
    /// # Errors
    ///
    /// As [`Watch::run`].
    #[track_caller]
    pub(crate) fn wait(
        &self,
        descriptor: BorrowedFd<'_>,
        object: &dyn fmt::Display,
        direction: Direction,
    ) -> io::Result<()> {
        self.wait_at(descriptor, object, direction, Location::caller())
    }

    /// Waits as [`Watch::wait`] does, in a call that the program has made `at` a line.
    pub(crate) fn wait_at(
        &self,
        descriptor: BorrowedFd<'_>,
        object: &dyn fmt::Display,
        direction: Direction,
        at: &'static Location<'static>,
    ) -> io::Result<()> {
        let call = self.call(descriptor, object, direction, at);
        let is_read = direction == Direction::Read;
        self.make(&call, || {
            if sys::wakeup::wait_for(descriptor, is_read, Some(0)) {
                Ok(())
            } else {
                Err(sys::socket::would_block())
            }
        })
    }
}
