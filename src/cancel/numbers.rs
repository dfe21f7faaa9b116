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

impl ScopeNumbers {
    /// Returns the place of the number.
    pub(crate) fn last(&self) -> &Cell<u64> {
        &self.0
    }
}

/// Returns a number that differs from those of all other scopes of the runtime.
pub(super) fn next_scope(scheduler: &Scheduler) -> u64 {
    let last = scheduler.state::<ScopeNumbers>().last();
    last.set(last.get() + 1);
    last.get()
}
