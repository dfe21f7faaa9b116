//! The reports of a runtime in which every thread waits for other OS threads, and of a virtual clock that
//! sockets hold.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::deadlock::{Age, DEADLOCK, Table, deadlock, letters, waiting};
use crate::kernel::{Scheduler, State, Wait, WaitFor};
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

/// The most sockets that the report of a clock names.
const MOST_SOCKETS: usize = 10;

/// Returns the report of a virtual clock that only sockets have held for this time: which, and for what.
pub(crate) fn held_clock(scheduler: &Scheduler, lasted: Duration) -> String {
    let is_socket = |what| matches!(what, WaitFor::External(_));
    let mut all = scheduler.all();
    all.retain(|control| match control.waits_for().map(Wait::what) {
        Some(WaitFor::Any(alternatives)) => alternatives.iter().any(is_socket),
        what => what.is_some_and(is_socket),
    });
    let mut sockets = Table::new();
    for control in all.iter().take(MOST_SOCKETS) {
        sockets.add(control, "waits for", waiting(control, &all).as_ref());
    }
    if all.len() > MOST_SOCKETS {
        sockets.push(String::new(), format!("and {} more", all.len() - MOST_SOCKETS), None);
    }
    format!(
        "virtual time has stood still for {}: it does not pass while a green thread waits for a socket{sockets}",
        Age(lasted)
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
