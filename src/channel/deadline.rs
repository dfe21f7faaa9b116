//! How long a select waits.

use crate::kernel::Scheduler;
use crate::timer::{Instant, deadline_after, deadline_at};
use std::time::Duration;

use super::core::Deadline as Moment;

/// How long a select waits.
#[derive(Clone, Copy)]
pub enum Deadline {
    /// Not at all: there is a `default`.
    Now,
    /// Until a case can go on.
    Never,
    /// For so long.
    After(Duration),
    /// Until then.
    At(Instant),
}

impl Deadline {
    /// When that is, for one that waits.
    pub(super) fn moment(self, scheduler: &Scheduler) -> Moment {
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
    /// As a deadline.
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
