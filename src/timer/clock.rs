//! The clock of a runtime: the system's, or a virtual one that moves when every thread waits.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use super::timers::Timers;
use crate::access::{self, Access, Object};
use crate::kernel::{Scheduler, try_scheduler};
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

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Clock::Virtual(_))
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

pub(crate) fn clock(scheduler: &Scheduler) -> &Clock {
    &scheduler.state::<Timers>().clock
}

/// Returns the time, in nanoseconds of the runtime's clock.
pub(crate) fn time(scheduler: &Scheduler) -> u64 {
    clock(scheduler).now()
}

/// Returns the time, and makes it the beginning of the waits that begin now.
pub(crate) fn refresh(scheduler: &Scheduler) -> u64 {
    let now = time(scheduler);
    scheduler.set_coarse_time(now);
    now
}

/// Returns the moment after `duration` as a deadline for [`Scheduler::block`]: 0 if
/// `duration` is zero, `None` if the clock never reaches the moment.
pub(crate) fn deadline_after(scheduler: &Scheduler, duration: Duration) -> Option<u64> {
    observe(scheduler, Access::Read);
    if duration.is_zero() {
        return Some(0);
    }
    let nanos = u64::try_from(duration.as_nanos()).ok()?;
    time(scheduler).checked_add(nanos)
}

/// Returns `moment` as a deadline for [`Scheduler::block`]: 0 if it has come.
pub(crate) fn deadline_at(scheduler: &Scheduler, moment: u64) -> Option<u64> {
    observe(scheduler, Access::Read);
    Some(if moment <= time(scheduler) { 0 } else { moment })
}

/// Returns the time of the runtime that the caller runs in, or else the system's.
pub(crate) fn now() -> u64 {
    match try_scheduler() {
        Some(scheduler) => {
            observe(scheduler, Access::Read);
            time(scheduler)
        }
        None => sys::clock::now(),
    }
}

/// Reports that the clock is read, or that a timer is started or stopped.
#[inline(always)]
pub(crate) fn observe(scheduler: &Scheduler, access: Access) {
    if scheduler.is_observed() {
        access::report_also(scheduler, Object::Clock, access);
    }
}
