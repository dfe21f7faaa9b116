//! The report of a runtime in which every thread waits for other OS threads.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::deadlock::{Age, DEADLOCK, Table, deadlock, letters};
use crate::kernel::{Scheduler, State};
use crate::remote::inbox::existing_inbox;
use crate::remote::{awaited_outside, can_be_reached};

/// Returns the report of a runtime in which no thread could run for this time: what each waits for,
/// and what lets the runtime go on waiting.
pub(crate) fn silence(scheduler: &Scheduler, lasted: Duration) -> String {
    // In the loop of a host the main thread is the host, which does not wait.
    let has_host = scheduler.main().state() != State::Waiting;
    let mut all = scheduler.all();
    all.retain(|control| control.state() == State::Waiting);
    let waits = deadlock(&all);
    let waits = waits.strip_prefix(DEADLOCK).unwrap_or(&waits);
    let mut outside = Table::new();
    for (number, wakers) in awaited_outside(scheduler) {
        let name = if number == 1 { letters(number) } else { format!("#{number}") };
        outside.push(name, counted(wakers, "waker of its future exists", "wakers exist"), None);
    }
    let handles = existing_inbox(scheduler).map(|inbox| inbox.senders().clone());
    for (at, count) in handles.into_iter().flatten() {
        let what = counted(count, "handle of the runtime exists", "handles of the runtime exist");
        outside.push(String::new(), what, Some(("made at", at)));
    }
    let (wakes, comes) = match (has_host, can_be_reached(scheduler)) {
        (false, _) => ("another OS thread", "something outside may still come:"),
        (true, true) => ("the host or another OS thread", "something outside may still come:"),
        (true, false) => ("the host", "the host may still wake one"),
    };
    format!(
        "silence: no green thread could run for {}, and only {wakes} can wake one{waits}\n\
         no deadlock, since {comes}{outside}",
        Age(lasted)
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
