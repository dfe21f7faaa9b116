//! What a runtime does when no thread can run: it lets virtual time pass, or sleeps.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::inspect;
use crate::kernel::Scheduler;
use crate::remote::can_be_reached;
use crate::remote::inbox::{Inbox, existing_inbox, holds_time, silence};
use crate::sys;
use crate::timer::clock::Clock;
use crate::timer::{clock, time, timers};

/// Sleeps in the operating system, or lets virtual time pass, until something may have come.
/// Returns `false` if nothing ever can.
pub(crate) fn sleep(scheduler: &Scheduler) -> bool {
    if pass_virtual_time(scheduler) {
        return true;
    }
    let deadline = timers::next_deadline(scheduler);
    if deadline.is_none() && !can_be_reached(scheduler) {
        return false;
    }
    let nanos = match clock(scheduler) {
        Clock::Real => deadline.map(|deadline| deadline.saturating_sub(time(scheduler))),
        // Only a message from outside ends this sleep.
        Clock::Virtual(_) => None,
    };
    match (existing_inbox(scheduler), nanos) {
        (Some(inbox), None) => wait_for_message(scheduler, inbox),
        (Some(inbox), nanos) => away(scheduler, || inbox.sleep(nanos)),
        (None, Some(nanos)) => away(scheduler, || sys::wakeup::sleep(nanos)),
        (None, None) => unreachable!("without an inbox nothing can reach the runtime"),
    }
    true
}

/// Runs `sleep`, in which the watchdog does not look at the runtime.
fn away(scheduler: &Scheduler, sleep: impl FnOnce()) {
    scheduler.is_away().store(true, Ordering::Relaxed);
    sleep();
    scheduler.is_away().store(false, Ordering::Relaxed);
}

/// Sleeps until a message or a signal comes. Prints a report if the program has asked for one, and the
/// silence has lasted as long as it said.
fn wait_for_message(scheduler: &Scheduler, inbox: &Inbox) {
    let silence = silence(scheduler);
    let left = || silence.left(sys::clock::now(), scheduler.switches());
    away(scheduler, || inbox.sleep(left()));
    if left() == Some(0) && !inbox.has_mail() {
        eprintln!("leno: {}", inspect::silence(scheduler, silence.report()));
    }
}

/// Lets virtual time jump to the next deadline. Returns `false` if there is none, if time waits
/// for closures on other OS threads, or if it is real.
pub(crate) fn pass_virtual_time(scheduler: &Scheduler) -> bool {
    let Clock::Virtual(now) = clock(scheduler) else { return false };
    if !can_time_pass(scheduler) {
        return false;
    }
    let deadline = timers::next_deadline(scheduler);
    now.set(deadline.map_or(now.get(), |deadline| deadline.max(now.get())));
    true
}

/// Returns `true` if there is a deadline to which virtual time may jump.
pub(crate) fn can_time_pass(scheduler: &Scheduler) -> bool {
    !timers::is_empty(scheduler) && !holds_time(scheduler)
}

/// Returns how long the host may wait before it runs green threads again, if nothing comes from
/// outside.
pub(crate) fn patience(scheduler: &Scheduler) -> Option<Duration> {
    if !scheduler.ready().is_empty() {
        return Some(Duration::ZERO);
    }
    let deadline = timers::next_deadline(scheduler)?;
    match clock(scheduler) {
        Clock::Real => Some(Duration::from_nanos(deadline.saturating_sub(time(scheduler)))),
        Clock::Virtual(_) => (!holds_time(scheduler)).then_some(Duration::ZERO),
    }
}
