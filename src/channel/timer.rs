//! The clock as a channel of moments.

use std::cell::Cell;

use super::deadline::Moment;
use super::error::{RecvTimeoutError, TryRecvError};
use crate::access::{Access, Accessed, Observed, Part};
use crate::cancel::interrupted;
use crate::kernel::{Need, Outcome, Wait, WaitFor, Want, scheduler};
use crate::timer::{now, refresh};

/// A source of moments, as its receivers share it.
pub(super) struct Timer<T> {
    schedule: Observed<Schedule<T>>,
    /// There is no message, and never will be.
    is_never: bool,
}

/// When messages come.
pub(super) struct Schedule<T> {
    /// The next moment, in nanoseconds of the runtime's clock.
    next: Cell<Moment>,
    period: Option<u64>,
    /// Converts a moment to a message.
    message: fn(u64) -> T,
}

impl<T> Timer<T> {
    /// Creates a timer. `kind` is what reports call it.
    #[track_caller]
    pub(super) fn new(
        kind: &'static str,
        next: Moment,
        period: Option<u64>,
        message: fn(u64) -> T,
    ) -> Timer<T> {
        let schedule = Schedule { next: Cell::new(next), period, message };
        Timer { schedule: Observed::new(kind, schedule), is_never: next.is_none() }
    }

    /// Returns `true` if there is no message, and never will be.
    pub(super) fn is_never(&self) -> bool {
        self.is_never
    }

    /// Returns `true` if there is a message.
    #[track_caller]
    pub(super) fn is_due(&self) -> bool {
        self.schedule.note(Access::Read, "look at").is_due()
    }

    /// Returns the schedule, as part of a select.
    pub(super) fn within(&self, begun: Part<'_>) -> Accessed<'_, Schedule<T>> {
        self.schedule.within(begun)
    }

    /// Returns the schedule, to complete an operation that a `Select` has selected.
    pub(super) fn complete(&self) -> Accessed<'_, Schedule<T>> {
        self.schedule.also(Access::Write)
    }

    /// Receives without waiting.
    #[track_caller]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.schedule.note(Access::Write, "try receive from").try_recv()
    }

    /// Receives, and waits for the next moment until `deadline`. `function` is the public
    /// function that needs a runtime if it waits.
    #[track_caller]
    pub(super) fn recv(
        &self,
        function: &'static str,
        deadline: Moment,
    ) -> Result<T, RecvTimeoutError> {
        let mut schedule = self.schedule.begin(Access::Write, "receive from");
        loop {
            if let Ok(message) = schedule.try_recv() {
                return Ok(message);
            }
            let scheduler = scheduler(function);
            let next = schedule.next();
            // The earlier of the two, if both will come.
            let first = next.into_iter().chain(deadline).min();
            let wait = Wait::new(WaitFor::Resource(self.need()));
            match scheduler.block(&wait, first) {
                Outcome::Interrupted => interrupted(),
                _ if first == deadline && first != next => return Err(RecvTimeoutError::Timeout),
                _ => {}
            }
            // Another thread may have taken the message.
            schedule = self.schedule.note(Access::Write, "receive from");
            refresh(scheduler);
        }
    }

    /// Returns what a thread waits for that wants the next moment.
    pub(super) fn need(&self) -> Need<'_> {
        self.schedule.need(Want::Itself)
    }

    /// Names the timer for reports. The first name stays.
    pub(super) fn set_name(&self, name: String) {
        self.schedule.set_name(name);
    }
}

impl<T> Schedule<T> {
    /// Returns the moment at which there will be a message.
    pub(super) fn next(&self) -> Moment {
        self.next.get()
    }

    /// Returns `true` if there is a message.
    pub(super) fn is_due(&self) -> bool {
        self.next.get().is_some_and(|next| next <= now())
    }

    /// Receives without waiting.
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let (Some(next), now) = (self.next.get(), now()) else { return Err(TryRecvError::Empty) };
        if next > now {
            return Err(TryRecvError::Empty);
        }
        self.next.set(self.period.and_then(|period| now.checked_add(period)));
        Ok((self.message)(next))
    }
}
