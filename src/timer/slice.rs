//! Slices of time, for green threads that compute.

#![forbid(unsafe_code)]

use std::cell::Cell;

use super::clock::Clock;

/// The length of a slice, in nanoseconds. The clock that is read advances in steps of up to 10 ms.
const NANOS: u64 = 10_000_000;

/// The length of a slice with virtual time, which stands still while a thread runs, in calls.
const CALLS: u64 = 1_000;

/// The slice of time of the current thread.
#[derive(Default)]
pub(super) struct Slice {
    /// The count of switches during the slice, `None` before the first.
    switches: Cell<Option<usize>>,
    begun: Cell<u64>,
    /// The number of questions whether a slice is over.
    calls: Cell<u64>,
}

impl Slice {
    /// Returns `true` if the slice is over, which begins with the first call after a switch.
    /// `switches` is a number that each switch changes.
    pub(super) fn is_over(&self, clock: &Clock, switches: usize) -> bool {
        let (now, length) = match clock {
            Clock::Real => (clock.coarse_now(), NANOS),
            Clock::Virtual(_) => (self.calls.get(), CALLS),
        };
        self.calls.set(self.calls.get() + 1);
        if self.switches.replace(Some(switches)) != Some(switches) {
            self.begun.set(now);
        }
        now.saturating_sub(self.begun.get()) >= length
    }
}
