//! Slices of time, for green threads that compute.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use super::clock::Clock;
use super::timers::Timers;
use crate::kernel::Scheduler;

/// The length of a slice, in nanoseconds. The clock that is read advances in steps of up to 10 ms.
const NANOS: u64 = 10_000_000;

/// The length of a slice with virtual time, which stands still while a thread runs, in calls.
const CALLS: u64 = 1_000;

/// Returns `true` if the current thread has used up its slice, which begins with the first call after a
/// switch.
pub(crate) fn is_slice_over(scheduler: &Scheduler) -> bool {
    let Timers { clock, slice, .. } = scheduler.state();
    let (now, length) = match clock {
        Clock::Real => (clock.coarse_now(), NANOS),
        Clock::Virtual(_) => (slice.calls.get(), CALLS),
    };
    slice.calls.set(slice.calls.get() + 1);
    let switches = scheduler.pops().iter().map(|pops| pops.load(Ordering::Relaxed)).sum();
    if slice.switches.replace(Some(switches)) != Some(switches) {
        slice.begun.set(now);
    }
    now.saturating_sub(slice.begun.get()) >= length
}
