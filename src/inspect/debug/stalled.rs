//! The report of threads that have waited for long.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::inspect::deadlock::{Age, Table, add_cycles, waiting};
use crate::kernel::{ControlBlock, Scheduler, State, Wait, WaitFor};
use crate::timer::refresh;

/// Returns the time since a wait began.
pub(super) fn age(wait: &Wait<'_>, now: u64) -> Duration {
    Duration::from_nanos(now.saturating_sub(wait.since().get()))
}

/// Returns a report of the threads that have waited for longer than `limit`, or `None` if there
/// are none. Sleeping threads are not counted.
pub(crate) fn stalled(scheduler: &Scheduler, limit: Duration) -> Option<String> {
    let (all, now) = (scheduler.all(), refresh(scheduler));
    let mut table = Table::new();
    let mut stalled = Vec::new();
    for &control in &all {
        if control.state() == State::Waiting
            && let Some(wait) = control.waits_for()
            // A sleep, or a host without work, waits for no other thread.
            && !matches!(wait.what(), WaitFor::Sleep | WaitFor::Stalled)
            && age(wait, now) > limit
        {
            let verb = format!("has waited {} for", Age(age(wait, now)));
            table.add(control, &verb, waiting(control, &all).as_ref());
            stalled.push(control.number());
        }
    }
    if stalled.is_empty() {
        return None;
    }
    let mut report = format!(
        "stalled: {} of {} green threads {} waited for more than {}{table}",
        stalled.len(),
        all.len(),
        if stalled.len() == 1 { "has" } else { "have" },
        Age(limit),
    );
    // `all` is in the order of the numbers, and so is `stalled`.
    let is_stalled = |control: &ControlBlock| stalled.binary_search(&control.number()).is_ok();
    add_cycles(&mut report, &all, is_stalled);
    Some(report)
}
