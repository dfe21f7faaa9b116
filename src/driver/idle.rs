//! What a runtime does when no thread can run: it lets virtual time pass, or sleeps.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(feature = "net")]
use super::io;
use crate::inspect::{self, report_cycles};
use crate::kernel::Scheduler;
use crate::remote::can_be_reached;
use crate::remote::inbox::{Inbox, existing_inbox, held_clock, holds_time, silence};
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
    if deadline.is_none() && !can_be_reached(scheduler) && !is_io_awaited(scheduler) {
        return false;
    }
    let look = report_cycles(scheduler);
    let nanos = match clock(scheduler) {
        Clock::Real => deadline.map(|deadline| deadline.saturating_sub(time(scheduler))),
        // Only a message from outside ends this sleep.
        Clock::Virtual(_) => None,
    };
    match nanos {
        Some(_) => away(scheduler, || sleep_for(scheduler, sooner(nanos, look))),
        None => wait_for_event(scheduler, look),
    }
    true
}

/// Returns the shorter of two times, of which `None` has no end.
fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Sleeps until something outside has an event, or until `nanos` have passed.
fn sleep_for(scheduler: &Scheduler, nanos: Option<u64>) {
    #[cfg(feature = "net")]
    if io::sleep(scheduler, nanos) {
        return;
    }
    match (existing_inbox(scheduler), nanos) {
        (Some(inbox), nanos) => inbox.sleep(nanos),
        (None, Some(nanos)) => sys::wakeup::sleep(nanos),
        (None, None) => unreachable!("without an inbox nothing can reach the runtime"),
    }
}

/// Returns `true` if a thread waits for a descriptor.
fn is_io_awaited(scheduler: &Scheduler) -> bool {
    #[cfg(feature = "net")]
    return io::is_awaited(scheduler);
    #[cfg(not(feature = "net"))]
    {
        let _ = scheduler;
        false
    }
}

/// Runs `sleep`, in which the watchdog does not look at the runtime.
fn away(scheduler: &Scheduler, sleep: impl FnOnce()) {
    scheduler.is_away().store(true, Ordering::Relaxed);
    sleep();
    scheduler.is_away().store(false, Ordering::Relaxed);
}

/// Sleeps until something outside has an event, a silence is to be reported, or `nanos` have passed.
fn wait_for_event(scheduler: &Scheduler, nanos: Option<u64>) {
    let held = held_clock_left(scheduler);
    let nanos = sooner(sooner(nanos, held), silence_left(scheduler));
    away(scheduler, || sleep_for(scheduler, nanos));
    if scheduler.ready().is_empty() {
        report_silence(scheduler);
        if held.is_some() {
            report_held_clock(scheduler);
        }
    }
}

/// Returns the time in nanoseconds until the program is told that sockets hold its virtual clock, if they
/// do and it has not been told.
fn held_clock_left(scheduler: &Scheduler) -> Option<u64> {
    let is_virtual = matches!(clock(scheduler), Clock::Virtual(_));
    if !is_virtual || timers::is_empty(scheduler) || holds_time(scheduler) {
        return None;
    }
    held_clock(scheduler).left(sys::clock::now, scheduler.switches())
}

/// Prints once that sockets hold the virtual clock, if they have done so for long enough.
fn report_held_clock(scheduler: &Scheduler) {
    if held_clock_left(scheduler) == Some(0) && is_io_awaited(scheduler) {
        let lasted = held_clock(scheduler).report_for_good();
        eprintln!("leno: {}", inspect::held_clock(scheduler, lasted));
    }
}

/// Returns the time in nanoseconds until the silence is to be reported, if the program has asked for
/// that.
fn silence_left(scheduler: &Scheduler) -> Option<u64> {
    silence(scheduler).left(sys::clock::now, scheduler.switches())
}

/// Prints a report if the program has asked for one, and the silence has lasted as long as it said.
fn report_silence(scheduler: &Scheduler) {
    let has_mail = || existing_inbox(scheduler).is_some_and(Inbox::has_mail);
    if silence_left(scheduler) == Some(0) && !has_mail() {
        eprintln!("leno: {}", inspect::silence(scheduler, silence(scheduler).report()));
    }
}

/// Notes that no thread can run, and the host is about to sleep.
pub(crate) fn note_stall(scheduler: &Scheduler) {
    #[cfg(feature = "net")]
    io::flush(scheduler);
    let _ = report_cycles(scheduler);
    if scheduler.running() > 0 && time_to_deadline(scheduler).is_none() {
        report_silence(scheduler);
    }
}

/// Lets virtual time jump to the next deadline. Returns `false` if there is none, if time waits
/// for something outside the runtime, or if it is real.
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
    !timers::is_empty(scheduler) && !is_held(scheduler)
}

/// Returns how long the host may wait before it runs green threads again, if nothing comes from
/// outside.
pub(crate) fn patience(scheduler: &Scheduler) -> Option<Duration> {
    if !scheduler.ready().is_empty() {
        return Some(Duration::ZERO);
    }
    if scheduler.running() == 0 {
        return None;
    }
    // What could not be sent to the system is sent at the next look.
    #[cfg(feature = "net")]
    // mistake: host-sleeps-unsent
    if io::has_news(scheduler) {
        return Some(Duration::ZERO);
    }
    let nanos = time_to_deadline(scheduler).or_else(|| silence_left(scheduler));
    sooner(nanos, report_cycles(scheduler)).map(Duration::from_nanos)
}

/// Returns the time in nanoseconds until the next deadline, if there is one and time passes.
fn time_to_deadline(scheduler: &Scheduler) -> Option<u64> {
    let deadline = timers::next_deadline(scheduler)?;
    match clock(scheduler) {
        Clock::Real => Some(deadline.saturating_sub(time(scheduler))),
        Clock::Virtual(_) => (!is_held(scheduler)).then_some(0),
    }
}

/// Returns `true` if virtual time waits for something outside the runtime.
fn is_held(scheduler: &Scheduler) -> bool {
    holds_time(scheduler) || is_io_awaited(scheduler)
}
