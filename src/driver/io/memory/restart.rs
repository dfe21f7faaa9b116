//! A new network for each execution of an exploration.

use std::rc::Rc;

use super::super::slot::io;
use super::delivery::{ledger, settings};
use super::state::State;
use crate::access::report::created;
use crate::kernel::Scheduler;

/// Begins an execution, with a new network if the runtime has one. Sockets that are left reach none that
/// is made later.
pub(crate) fn restart(scheduler: &Scheduler) {
    let Some(settings) = settings(scheduler) else { return };
    let (ledger, engine) = (ledger(scheduler), io(scheduler).engine.get());
    if let Some(network) = engine.and_then(|engine| engine.network()) {
        let state = &mut *network.state();
        let last_id = state.last_id;
        *state = State::new(settings.capacity);
        state.last_id = last_id;
    }
    ledger.pipes.take();
    ledger.rest.replace(Some(Rc::new(created("network"))));
    for count in [&ledger.unanswered, &ledger.aborts, &ledger.resets, &ledger.shortages] {
        count.set(0);
    }
}
