//! The state of a runtime as to descriptors, in a slot of the scheduler.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use super::engine::{Engine, Shared};
use super::look::Looks;
use super::memory::ledger::Ledger;
use super::table::Table;
use crate::kernel::Scheduler;
use crate::kernel::features::SchedulerState;
use crate::sys::poller::{Event, Events};

/// What a runtime has to do with descriptors.
#[derive(Default)]
pub(crate) struct Io {
    /// The engine that the program wants.
    pub(super) given: Cell<Option<Engine>>,
    /// Made when the first thread waits.
    pub(super) engine: OnceCell<Arc<Shared>>,
    pub(super) table: Table,
    pub(super) ledger: Ledger,
    /// The number of threads that wait for a descriptor.
    pub(super) waits: Cell<usize>,
    /// The engine reports the inbox.
    pub(super) is_inbox_added: Cell<bool>,
    pub(super) looks: Looks,
    /// The count of switches at the last call, and the number of calls since then.
    pub(super) last_switches: Cell<usize>,
    pub(super) calls: Cell<u32>,
    /// Taken while it is in use.
    pub(super) events: Cell<Option<Events>>,
}

// SAFETY: no other type has slot 11, and every scheduler gets such a state.
unsafe impl SchedulerState for Io {
    const SLOT: usize = 11;
}

pub(super) fn io(scheduler: &Scheduler) -> &Io {
    scheduler.state()
}

/// Notes what has become ready, and wakes the threads that may go on.
pub(super) fn report(scheduler: &Scheduler, event: Event) {
    if let Some(source) = io(scheduler).table.get(event.token) {
        source.report(scheduler, event);
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        self.table.abandon_all();
        if let Some(engine) = self.engine.get() {
            engine.close();
        }
    }
}
