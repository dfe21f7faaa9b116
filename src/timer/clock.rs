//! The runtime's clock: the system's, or one that moves by itself when everybody
//! waits.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use crate::access::access::Access;
use crate::kernel::current::try_scheduler;
use crate::kernel::scheduler::Scheduler;
use crate::sys;

/// In nanoseconds.
pub(crate) enum Clock {
    Real,
    Virtual(Cell<u64>),
}

/// Where virtual time begins: one hour, so that a program may look back a little.
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

    /// Perhaps a few milliseconds behind, and cheaper.
    pub(crate) fn coarse_now(&self) -> u64 {
        match self {
            Clock::Real => sys::clock::coarse_now(),
            Clock::Virtual(now) => now.get(),
        }
    }
}

impl Scheduler {
    /// The time, in nanoseconds of the runtime's clock.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The time, which waits that begin now begin at as well.
    pub(crate) fn look_at_clock(&self) -> u64 {
        let now = self.now();
        self.coarse.set(now);
        now
    }
}

/// Returns the moment after `duration` as a deadline for [`Scheduler::block`]: 0 if
/// `duration` is zero, `None` if the clock never reaches the moment.
#[track_caller]
pub(crate) fn deadline_after(scheduler: &Scheduler, duration: Duration) -> Option<u64> {
    scheduler.operate_on_clock(Access::Read);
    if duration.is_zero() {
        return Some(0);
    }
    let nanos = u64::try_from(duration.as_nanos()).ok()?;
    scheduler.now().checked_add(nanos)
}

/// Returns `moment` as a deadline for [`Scheduler::block`]: 0 if it has come.
#[track_caller]
pub(crate) fn deadline_at(scheduler: &Scheduler, moment: u64) -> Option<u64> {
    scheduler.operate_on_clock(Access::Read);
    Some(if moment <= scheduler.now() { 0 } else { moment })
}

/// The time of the runtime that the caller runs in, or else the system's.
#[track_caller]
pub(crate) fn now() -> u64 {
    match try_scheduler() {
        Some(scheduler) => {
            scheduler.operate_on_clock(Access::Read);
            scheduler.now()
        }
        None => sys::clock::now(),
    }
}
