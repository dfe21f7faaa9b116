//! Threads that wait for what another OS thread does: green threads, and OS threads without a runtime.

#![forbid(unsafe_code)]

#[cfg(feature = "net")]
use std::io;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

#[cfg(feature = "net")]
use super::inbox::try_inbox;
use super::inbox::{Inbox, Message, count_awaiting, inbox};
use crate::kernel::{Outcome, Scheduler, ThreadId, Wait};
use crate::timer::now;

/// What wakes a thread from any OS thread. A wake may come late: the thread must look whether its wait is
/// over.
pub(crate) enum Waiter {
    Green(Arc<Inbox>, ThreadId),
    Os(Thread),
}

impl Waiter {
    /// Returns the waiter of the current thread.
    ///
    /// # Panics
    ///
    /// If the system has no more descriptors.
    pub(crate) fn of(scheduler: Option<&Scheduler>) -> Waiter {
        match scheduler {
            Some(scheduler) => {
                Waiter::Green(inbox(scheduler).clone(), scheduler.current().info().id())
            }
            None => Waiter::Os(thread::current()),
        }
    }

    /// Returns the waiter of the current thread.
    ///
    /// # Errors
    ///
    /// If the system has no more descriptors.
    #[cfg(feature = "net")]
    pub(crate) fn try_of(scheduler: Option<&Scheduler>) -> io::Result<Waiter> {
        scheduler.map(try_inbox).transpose()?;
        Ok(Waiter::of(scheduler))
    }

    /// Ends the wait, or the next wait.
    pub(crate) fn wake(self) {
        match self {
            Waiter::Green(inbox, id) => drop(inbox.send(id, Message::Wake)),
            Waiter::Os(thread) => thread.unpark(),
        }
    }
}

/// Waits until the current thread's waiter is woken, perhaps earlier, or until `deadline`, a moment of the
/// clock in nanoseconds. `wait` must be for something [external](crate::kernel::External) that a message
/// ends.
#[inline(always)]
pub(crate) fn wait(
    scheduler: Option<&Scheduler>,
    wait: &Wait<'_>,
    deadline: Option<u64>,
) -> Outcome {
    match (scheduler, deadline) {
        (Some(scheduler), _) => {
            count_awaiting(scheduler, 1);
            let outcome = scheduler.block(wait, deadline);
            count_awaiting(scheduler, -1);
            outcome
        }
        (None, None) => {
            thread::park();
            Outcome::Woken
        }
        (None, Some(deadline)) => {
            let left = deadline.saturating_sub(now());
            thread::park_timeout(Duration::from_nanos(left));
            if deadline <= now() { Outcome::Elapsed } else { Outcome::Woken }
        }
    }
}
