//! The end of a controlled run before its time: every thread is unwound. It ends whatever the
//! program does.

#![forbid(unsafe_code)]

use super::run::{Stopping, run};
use crate::cancel::unwind;
use crate::kernel::Scheduler;

/// The number of turns that unwound threads have for their destructors.
const MOST_TURNS: u32 = 1_000_000;

/// The number of accesses of a turn in which a thread is not unwound.
pub(super) const MOST_ACCESSES: u32 = 1_000;

/// The payload that ends such a run.
pub(super) struct Stopped;

/// Ends the run: every thread is unwound, first come, first served.
pub(super) fn stop(scheduler: &Scheduler) {
    let run = run(scheduler);
    run.stopping.is_stopped.set(true);
    run.leave_fast_paths();
    scheduler.most_threads().set(usize::MAX);
    scheduler.failure().borrow_mut().get_or_insert_with(|| Box::new(Stopped));
    unwind::force_all(scheduler);
}

/// Ends the turn of the current thread.
pub(super) fn end_turn(scheduler: &Scheduler) {
    run(scheduler).stopping.accesses.set(0);
    count_turn(scheduler);
}

fn count_turn(scheduler: &Scheduler) {
    let Stopping { turns, .. } = &run(scheduler).stopping;
    turns.set(turns.get() + 1);
    if turns.get() > MOST_TURNS {
        scheduler.abort(
            b"a program that is explored cannot be ended: its green threads are unwound, and \
              destructors have had 1000000 turns since\n\
              leno: a destructor must not wait, by yielding, for something that may never \
              come\n",
        );
    }
}

/// Counts an access in a run that is over. Most accesses do not wait, so they unwind no thread.
/// Returns `true` if the thread has accessed so much that it is unwound nevertheless, or has to
/// let others run if it is in a destructor.
pub(super) fn count_access(scheduler: &Scheduler) -> bool {
    let Stopping { accesses, .. } = &run(scheduler).stopping;
    accesses.set(accesses.get() + 1);
    let is_too_much = accesses.get() > MOST_ACCESSES;
    if is_too_much {
        count_turn(scheduler);
    }
    is_too_much
}
