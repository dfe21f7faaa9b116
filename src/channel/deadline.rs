//! How long a channel operation waits.

use crate::timer::{Instant, deadline_after, deadline_at};
use std::time::Duration;

use crate::kernel::Scheduler;

/// A moment of the runtime's clock in nanoseconds, `None` for no deadline.
pub(crate) type Moment = Option<u64>;

/// How long a select waits.
#[derive(Clone, Copy)]
pub enum Deadline {
    /// It does not wait, since it has a `default` case.
    Now,
    /// Until a case can proceed.
    Never,
    /// For a duration.
    After(Duration),
    /// Until a moment.
    At(Instant),
}

impl Deadline {
    /// Returns the moment at which a select that waits gives up.
    pub(crate) fn moment(self, scheduler: &Scheduler) -> Moment {
        match self {
            Deadline::After(duration) => deadline_after(scheduler, duration),
            Deadline::At(moment) => deadline_at(scheduler, moment.nanos()),
            Deadline::Never | Deadline::Now => None,
        }
    }
}

/// What may stand in `default(..)`.
#[diagnostic::on_unimplemented(
    message = "a select waits for a `Duration` or until an `Instant`, not for `{Self}`"
)]
pub trait IntoDeadline {
    /// Converts to a deadline.
    fn into_deadline(self) -> Deadline;
}

impl IntoDeadline for Duration {
    fn into_deadline(self) -> Deadline {
        Deadline::After(self)
    }
}

impl IntoDeadline for Instant {
    fn into_deadline(self) -> Deadline {
        Deadline::At(self)
    }
}
