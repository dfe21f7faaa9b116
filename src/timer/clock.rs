//! The clock of a runtime: the system's, or a virtual one that moves when every thread waits.

#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::access::{self, Access, Object};
use crate::kernel::Scheduler;
use crate::sys;

/// A clock, in nanoseconds.
pub(crate) enum Clock {
    Real,
    Virtual(Cell<u64>),
}

/// The beginning of virtual time: one hour, so that a program may compute moments before it.
pub(crate) const VIRTUAL_START: u64 = 3_600 * 1_000_000_000;

impl Clock {
    pub(crate) fn simulated() -> Clock {
        Clock::Virtual(Cell::new(VIRTUAL_START))
    }

    pub(crate) fn now(&self) -> u64 {
        match self {
            Clock::Real => sys::clock::now(),
            Clock::Virtual(now) => now.get(),
        }
    }

    /// Returns a time that may be a few milliseconds behind. It costs less than
    /// [`Clock::now`].
    pub(crate) fn coarse_now(&self) -> u64 {
        match self {
            Clock::Real => sys::clock::coarse_now(),
            Clock::Virtual(now) => now.get(),
        }
    }
}

/// Reports that the clock is read, or that a timer is started or stopped.
#[inline(always)]
pub(crate) fn observe(scheduler: &Scheduler, access: Access) {
    if scheduler.is_observed() {
        access::report_also(scheduler, Object::Clock, access);
    }
}
