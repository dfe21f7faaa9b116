//! The end of a child process, for which threads wait.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::Location;
use std::sync::OnceLock;

use super::call::{Call, Operation, Subject};
use super::direction::Drained;
use super::readiness::Readiness;
use super::sources::Sources;
use crate::kernel::try_scheduler;
use crate::sys;

/// The end of a child process. It has a descriptor from the first wait on.
pub(crate) struct ChildEnd {
    // Before the descriptor: it leaves the runtimes, and is closed then.
    sources: Sources,
    descriptor: OnceLock<OwnedFd>,
    id: u32,
}

/// Refuses to start a child where an exploration could not repeat it.
///
/// # Errors
///
/// In an exploration.
pub(crate) fn refuse_child() -> io::Result<()> {
    // mistake: child-in-exploration
    if try_scheduler().is_some_and(|scheduler| scheduler.is_controlled()) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "leno::weave explores a program by itself, and a child process depends on what is \
             outside: replace it by a green thread in the explored part",
        ));
    }
    Ok(())
}

impl ChildEnd {
    /// Returns the end of the child with this number.
    pub(crate) fn new(id: u32) -> ChildEnd {
        ChildEnd { sources: Sources::default(), descriptor: OnceLock::new(), id }
    }

    /// Returns the descriptor that becomes readable at the end. The child has not been waited for.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    fn descriptor(&self) -> io::Result<&OwnedFd> {
        if let Some(descriptor) = self.descriptor.get() {
            return Ok(descriptor);
        }
        let new = sys::child::end_of(self.id)?;
        Ok(self.descriptor.get_or_init(|| new))
    }

    /// Waits until `attempt`, which does not wait, returns a status.
    ///
    /// # Errors
    ///
    /// That of `attempt`; if the process has no more descriptors; in an exploration.
    #[track_caller]
    pub(crate) fn wait<T>(
        &self,
        mut attempt: impl FnMut() -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        let call = self.call(Subject::Foreign(self.descriptor()?.as_fd()), Location::caller());
        call.run(|| match attempt()? {
            Some(status) => Ok((status, Drained::Unknown)),
            None => Err(sys::socket::would_block()),
        })
    }

    fn call<'a>(&'a self, subject: Subject<'a>, at: &'static Location<'static>) -> Call<'a> {
        let (timeout, is_nonblocking) = (None, false);
        let (object, sources, operation) = (self, &self.sources, Operation::WAIT);
        Call { object, subject, sources, operation, timeout, is_nonblocking, at }
    }

    /// Returns the readiness for a select. A wait `is_over` if the status is known.
    #[track_caller]
    pub(crate) fn readiness(&self, is_over: bool) -> Readiness<'_> {
        let descriptor = if is_over { None } else { self.descriptor().ok() };
        let subject = descriptor.map_or(Subject::Ready, |it| Subject::Foreign(it.as_fd()));
        Readiness::of(&self.call(subject, Location::caller()))
    }
}

/// The name in reports.
impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Child {}", self.id)
    }
}
