//! The numbers of cancel scopes.

use std::cell::Cell;

use crate::kernel::Scheduler;
use crate::kernel::features::SchedulerState;

/// The number of the cancel scope that was made last in a runtime.
#[derive(Default)]
pub(crate) struct ScopeNumbers(Cell<u64>);

// SAFETY: no other type has slot 1.
unsafe impl SchedulerState for ScopeNumbers {
    const SLOT: usize = 1;
}

/// Returns a number that differs from those of all other scopes of the runtime.
pub(super) fn next_scope(scheduler: &Scheduler) -> u64 {
    let ScopeNumbers(last) = scheduler.state();
    last.set(last.get() + 1);
    last.get()
}

/// Makes the next scope number 1 again, in a runtime in which no thread runs.
pub(crate) fn restart(scheduler: &Scheduler) {
    scheduler.state::<ScopeNumbers>().0.set(0);
}
