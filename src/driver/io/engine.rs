//! The engine of a runtime: how it learns that descriptors have become ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::sys::poller::{Events, Poller};
use crate::sys::process;

/// The part of an engine that any OS thread may use. The runtime and its sources share it.
pub(crate) struct Engine {
    poller: Poller,
    /// The tokens of sources that have been removed, for the runtime's table.
    removed: Mutex<Vec<u64>>,
    /// The [`process::generation`] that the poller belongs to.
    process: AtomicU32,
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    ///
    /// If the process or the system has no more descriptors.
    pub(super) fn new() -> io::Result<Engine> {
        let (poller, removed) = (Poller::new()?, Mutex::default());
        Ok(Engine { poller, removed, process: process::generation().into() })
    }

    /// Returns `true` if this is the copy of an engine in a forked child.
    pub(super) fn is_foreign(&self) -> bool {
        self.process.load(Ordering::Relaxed) != process::generation()
    }

    /// Makes the copy in a forked child independent of the parent's. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// As [`Engine::new`].
    pub(super) fn renew(&self) -> io::Result<()> {
        self.poller.renew()?;
        self.process.store(process::generation(), Ordering::Relaxed);
        Ok(())
    }

    /// Adds a descriptor, of which each change of readiness is reported once.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    pub(super) fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.poller.add(descriptor, token)
    }

    /// Adds a descriptor that is reported as long as it is readable.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    pub(super) fn add_bell(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.poller.add_bell(descriptor, token)
    }

    /// Removes a descriptor, before it is closed.
    pub(super) fn remove(&self, descriptor: RawFd, token: u64) {
        if !self.is_foreign() {
            self.poller.remove(descriptor);
        }
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    /// Takes the tokens of sources that have been removed.
    pub(super) fn take_removed(&self) -> Vec<u64> {
        std::mem::take(&mut *self.removed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready.
    pub(super) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        self.poller.wait(events, nanos);
    }

    /// Returns the descriptor that is readable while there is something to look at.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}
