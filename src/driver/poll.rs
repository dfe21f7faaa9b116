//! Looking at everything outside the run queue that may make a thread runnable.

use super::prefetch;
use crate::cancel::unwind;
#[cfg(feature = "debug")]
use crate::inspect::debug::signal_dump;
use crate::kernel::{Cause, Outcome, Report, Scheduler};
use crate::remote::inbox::read_inbox;
use crate::timer::timers::{self, Target};
use crate::timer::{clock, refresh};

/// Looks at the timers, at what other OS threads have sent, and at signals.
pub(crate) fn poll(scheduler: &Scheduler) {
    scheduler.set_coarse_time(clock(scheduler).coarse_now());
    if !timers::is_empty(scheduler) {
        let now = refresh(scheduler);
        scheduler.caused_by(Cause::Clock, || fire_timers(scheduler, now));
    }
    read_inbox(scheduler);
    #[cfg(feature = "debug")]
    signal_dump::poll(scheduler);
}

fn fire_timers(scheduler: &Scheduler, now: u64) {
    let first_woken = scheduler.queue().end();
    while let Some((target, next)) = timers::pop_expired(scheduler, now) {
        // While the thread of this timer is woken, the control block of the next comes into the
        // cache.
        if let Some(next) = next {
            prefetch::control_block(next);
        }
        // SAFETY: the timer of a wait is stopped before the thread goes on, that of a cancel scope
        // when the scope or the thread ends: the threads have not ended.
        unsafe {
            match target {
                Target::Wait(thread) => {
                    let control = thread.get();
                    if scheduler.is_observed() {
                        (scheduler.upcalls().report)(scheduler, Report::Elapsed(control));
                    }
                    scheduler.wake(control, Outcome::Elapsed);
                }
                Target::Scope(thread, scope) => unwind::elapse_scope(thread.get(), scope),
            }
        }
    }
    prefetch::note_woken_by_timers(scheduler, first_woken);
}
