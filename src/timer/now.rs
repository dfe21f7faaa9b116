//! The time of a runtime, and deadlines.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::clock::{Clock, observe};
use super::timers::Timers;
use crate::access::Access;
use crate::kernel::{Scheduler, try_scheduler};
use crate::sys;

pub(crate) fn clock(scheduler: &Scheduler) -> &Clock {
    &scheduler.state::<Timers>().clock
}

/// Returns the time, in nanoseconds of the runtime's clock.
pub(crate) fn time(scheduler: &Scheduler) -> u64 {
    clock(scheduler).now()
}

/// Returns the time, and makes it the beginning of the waits that begin now: those with a deadline
/// that has passed give way once and are over.
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
