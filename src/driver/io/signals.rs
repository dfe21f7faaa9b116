//! Signals, for which threads wait.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use super::call::{Call, Operation, Subject};
use super::direction::Drained;
use super::readiness::Readiness;
use super::sources::Sources;
use crate::kernel::try_scheduler;
use crate::sys;
use crate::sys::signal::Receiver;
use crate::sys::wakeup::Wakeup;

/// A receiver of signals. Its descriptor is readable while one is pending.
pub(crate) struct SignalSource {
    // Before the descriptor: it leaves the runtimes, and is closed then.
    sources: Sources,
    receiver: Receiver<Wakeup>,
    /// The name of a signal, for reports.
    name: fn(i32) -> String,
}

impl SignalSource {
    /// Returns a receiver of signals. `name` returns the name of one.
    ///
    /// # Errors
    ///
    /// For a signal that cannot be received; if the process has no more descriptors; in an exploration.
    pub(crate) fn new(signals: &[i32], name: fn(i32) -> String) -> io::Result<SignalSource> {
        if try_scheduler().is_some_and(|scheduler| scheduler.is_controlled()) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "leno::weave explores a program by itself, and signals come from outside: replace the \
                 receiver by a channel in the explored part",
            ));
        }
        let receiver = Receiver::new(signals, Arc::new(Wakeup::new()?))?;
        Ok(SignalSource { sources: Sources::default(), receiver, name })
    }

    /// Takes a signal that has come.
    pub(crate) fn try_take(&self) -> Option<i32> {
        self.receiver.take()
    }

    /// Waits until a signal has come, and takes it.
    ///
    /// # Errors
    ///
    /// If the runtime cannot wait for descriptors.
    #[track_caller]
    pub(crate) fn take(&self) -> io::Result<i32> {
        let signal = self.call(Location::caller()).run(|| {
            let signal = self.receiver.take().or_else(|| {
                self.receiver.bell().clear();
                // A handler sets its bit before it makes the descriptor readable.
                self.receiver.take()
            });
            Ok((signal.ok_or_else(sys::socket::would_block)?, Drained::Unknown))
        })?;
        Ok(signal)
    }

    fn call(&self, at: &'static Location<'static>) -> Call<'_> {
        let (timeout, is_nonblocking) = (None, false);
        let (subject, operation) = (Subject::Signals(&self.receiver), Operation::WAIT_FOR_SIGNAL);
        Call {
            object: self,
            subject,
            sources: &self.sources,
            operation,
            timeout,
            is_nonblocking,
            at,
        }
    }

    /// Returns the readiness for a select.
    #[track_caller]
    pub(crate) fn readiness(&self) -> Readiness<'_> {
        Readiness::of(&self.call(Location::caller()))
    }
}

/// The names of the signals.
impl fmt::Display for SignalSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, signal) in self.receiver.signals().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { ", " }, (self.name)(signal))?;
        }
        Ok(())
    }
}
