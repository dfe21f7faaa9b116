//! Accesses to what green threads share, reported to the controller of the run.
//!
//! Every operation of a lock, a channel or another primitive begins with a call of [`operation`]
//! or [`note`], before it looks at anything. In a run that is not controlled that is the test of
//! one byte. Otherwise it may be a place where other threads run first, and the controller learns
//! which operations cannot be exchanged with each other.

#![forbid(unsafe_code)]

use std::panic::Location;

use crate::kernel::{Access, At, Object, Report, Scheduler, try_scheduler};

/// Where an operation is, if somebody is told of it. A guard keeps this, so that
/// its destructor need not ask whether anybody is.
pub(crate) type Told = Option<&'static Location<'static>>;

/// An operation begins that is a cancellation point: unwinds if the green thread
/// is to be unwound.
#[inline(always)]
#[track_caller]
pub(crate) fn operation(object: Object<'_>, access: Access, verb: &'static str) -> Told {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_eventful()
    {
        begin(scheduler, object, access, verb, Location::caller())
    } else {
        None
    }
}

/// Does it make a difference whether [`operation`] is called now? For those who
/// would do more with what it gives.
#[inline(always)]
pub(crate) fn is_eventful() -> bool {
    try_scheduler().is_some_and(Scheduler::is_eventful)
}

/// As [`operation`], of one that writes several objects.
#[inline(always)]
#[track_caller]
pub(crate) fn operation_on_all<'a>(objects: impl Iterator<Item = Object<'a>>, verb: &'static str) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_eventful()
    {
        let mut objects = objects;
        begin_on_all(scheduler, &mut objects, verb, Location::caller());
    }
}

/// An operation begins that never waits.
#[inline(always)]
#[track_caller]
pub(crate) fn note(object: Object<'_>, access: Access, verb: &'static str) -> Told {
    let at = Location::caller();
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        report(scheduler, object, access, verb, At::Call(at));
        Some(at)
    } else {
        None
    }
}

/// Here, if somebody wants to be told of operations. For those who then call a
/// function of its own, so that all others need no frame for the telling.
#[inline(always)]
#[track_caller]
pub(crate) fn asked() -> Told {
    let scheduler = try_scheduler()?;
    scheduler.is_observed().then_some(Location::caller())
}

/// As [`note`], for a destructor, which does not know its caller. Others run first
/// as if it were here.
#[inline(always)]
pub(crate) fn note_at(
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) -> Told {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        report(scheduler, object, access, verb, At::Destructor(at));
        Some(at)
    } else {
        None
    }
}

/// Tells what the operation that was noted last has read or left behind.
#[cfg(feature = "weave")]
#[inline(always)]
pub(crate) fn tell_value(value: &dyn Fn() -> String) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        (scheduler.upcalls().report)(scheduler, Report::Value(value));
    }
}

/// A wait begins for something that others do once and for all.
#[inline(always)]
#[track_caller]
pub(crate) fn look(object: Object<'_>, verb: &'static str) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        report(scheduler, object, Access::Look, verb, At::Look(Location::caller()));
    }
}

/// As [`note`], of an operation that has begun already: nobody runs in between.
#[inline(always)]
#[track_caller]
pub(crate) fn also(object: Object<'_>, access: Access) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        report_also(scheduler, object, access);
    }
}

/// Reports an access that is about to begin.
#[cold]
#[inline(never)]
fn report(scheduler: &Scheduler, object: Object<'_>, access: Access, verb: &'static str, at: At) {
    (scheduler.upcalls().access)(scheduler, object, access, verb, at);
}

/// Reports an access of an operation that has begun.
#[cold]
#[inline(never)]
pub(crate) fn report_also(scheduler: &Scheduler, object: Object<'_>, access: Access) {
    (scheduler.upcalls().report)(scheduler, Report::Also(object, access));
}

#[cold]
#[inline(never)]
fn begin(
    scheduler: &Scheduler,
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) -> Told {
    if scheduler.is_observed() {
        report(scheduler, object, access, verb, At::Call(at));
    }
    scheduler.checkpoint();
    scheduler.is_observed().then_some(at)
}

#[cold]
#[inline(never)]
fn begin_on_all(
    scheduler: &Scheduler,
    objects: &mut dyn Iterator<Item = Object<'_>>,
    verb: &'static str,
    at: &'static Location<'static>,
) {
    if scheduler.is_observed() {
        if let Some(first) = objects.next() {
            report(scheduler, first, Access::Write, verb, At::Call(at));
        }
        objects.for_each(|object| {
            let part = Report::Part { object, access: Access::Write, verb, at };
            (scheduler.upcalls().report)(scheduler, part);
        });
    }
    scheduler.checkpoint();
}
