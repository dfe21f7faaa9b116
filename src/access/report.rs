//! Accesses to shared objects, as they are reported to the controller of an explored run.
//!
//! The state of a primitive is in an [`Observed`](super::Observed), which calls the functions
//! below. Objects without such a cell (the end of a thread, its token for `park`, a value of
//! `weave::Shared`) are reported by a call of [`begin`], [`note`] or [`also`] before their
//! state is read.
//!
//! In a run that is not controlled, each of these functions costs the test of one byte.
//! Otherwise an operation may be a place where other threads run first, and the controller
//! learns which operations depend on each other.

#![forbid(unsafe_code)]

use std::panic::Location;

use crate::kernel::{Access, At, Object, Report, Resource, Scheduler, WaitFor, try_scheduler};

/// The line of a reported operation, `None` if it was not reported.
pub(crate) type Reported = Option<&'static Location<'static>>;

/// Returns the object of which a select learns that this alternative can proceed. What is outside the
/// runtime is none: it is in no exploration.
pub(crate) fn object_of(alternative: WaitFor<'_>) -> Option<Object<'_>> {
    match alternative {
        WaitFor::Resource(need) => Some(Object::Resource(need.resource)),
        WaitFor::Join(target) => Some(Object::End(target.number())),
        WaitFor::External(external) => external.resource().map(Object::Resource),
        _ => None,
    }
}

/// Returns `true` if an operation has to be reported or may unwind.
#[inline(always)]
pub(crate) fn is_eventful() -> bool {
    try_scheduler().is_some_and(Scheduler::is_eventful)
}

/// Returns the scheduler if accesses are reported.
#[inline(always)]
fn reporting() -> Option<&'static Scheduler> {
    try_scheduler().filter(|scheduler| scheduler.is_observed())
}

/// Returns `true` if accesses are reported.
#[inline(always)]
pub(crate) fn is_reported() -> bool {
    reporting().is_some()
}

/// Returns the caller's line if accesses are reported.
#[inline(always)]
#[track_caller]
pub(crate) fn report_location() -> Reported {
    // Not in a closure, which would be its own caller.
    let at = Location::caller();
    reporting().map(|_| at)
}

/// Begins an operation that may wait. A cancellation point: unwinds if the current thread
/// is to be unwound.
#[inline(always)]
#[track_caller]
pub(crate) fn begin(object: Object<'_>, access: Access, verb: &'static str) -> Reported {
    match try_scheduler() {
        Some(scheduler) if scheduler.is_eventful() => {
            begin_slow(scheduler, object, access, verb, Location::caller())
        }
        _ => None,
    }
}

/// Begins an operation as [`begin`], for several objects, all of which are written.
#[inline(always)]
#[track_caller]
pub(crate) fn begin_on_all<'a>(objects: impl Iterator<Item = Object<'a>>, verb: &'static str) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_eventful()
    {
        let mut objects = objects;
        begin_on_all_slow(scheduler, &mut objects, verb, Location::caller());
    }
}

/// Reports an operation that never waits.
#[inline(always)]
#[track_caller]
pub(crate) fn note(object: Object<'_>, access: Access, verb: &'static str) {
    if let Some(scheduler) = reporting() {
        report(scheduler, object, access, verb, At::Call(Location::caller()));
    }
}

/// Reports a further access of an operation that has begun. No other thread runs first.
#[inline(always)]
pub(crate) fn also(object: Object<'_>, access: Access) {
    if let Some(scheduler) = reporting() {
        report_also(scheduler, object, access);
    }
}

/// Reports that a wait begins for something that other threads do once and for all.
#[inline(always)]
#[track_caller]
pub(crate) fn look(object: Object<'_>, verb: &'static str) {
    if let Some(scheduler) = reporting() {
        report(scheduler, object, Access::Look, verb, At::Look(Location::caller()));
    }
}

/// Reports the value that the operation reported last has read or written.
#[inline(always)]
pub(crate) fn tell_value(value: &dyn Fn() -> String) {
    if let Some(scheduler) = reporting() {
        (scheduler.upcalls().report)(scheduler, Report::Value(value));
    }
}

/// Reports a value that the program shows under a name. It is no access, and no other thread runs
/// first.
#[cfg(feature = "weave")]
#[inline(always)]
#[track_caller]
pub(crate) fn show_value(name: &str, value: &dyn Fn() -> String) {
    if let Some(scheduler) = reporting() {
        let at = Location::caller();
        (scheduler.upcalls().report)(scheduler, Report::Shown { name, at });
        (scheduler.upcalls().report)(scheduler, Report::Value(value));
    }
}

// The functions below are out of line, and the two for resources take nothing but scalars and
// references: an `Object` would be passed by its address, and so the callers would need a frame
// on their fast paths as well.

/// Begins an operation as [`begin`], where that makes a difference.
#[cold]
#[inline(never)]
pub(super) fn begin_resource(
    resource: &Resource,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) -> Reported {
    begin_slow(try_scheduler()?, Object::Resource(resource), access, verb, at)
}

/// Reports an operation as [`note`], where accesses are reported. `at` is the operation's own line
/// only if `is_own_line`: a destructor does not know its line.
#[cold]
#[inline(never)]
pub(crate) fn note_resource(
    resource: &Resource,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
    is_own_line: bool,
) {
    let Some(scheduler) = try_scheduler() else { return };
    let at = if is_own_line { At::Call(at) } else { At::Destructor(at) };
    report(scheduler, Object::Resource(resource), access, verb, at);
}

/// Reports an operation on the atomic at `address` as [`note`], where accesses are reported.
#[cold]
#[inline(never)]
pub(crate) fn note_atomic(
    address: usize,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) {
    let Some(scheduler) = try_scheduler() else { return };
    report(scheduler, Object::Atomic(address), access, verb, At::Call(at));
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

/// Begins an operation as [`begin`], where that makes a difference.
#[cold]
#[inline(never)]
fn begin_slow(
    scheduler: &Scheduler,
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) -> Reported {
    if scheduler.is_observed() {
        report(scheduler, object, access, verb, At::Call(at));
    }
    scheduler.checkpoint();
    scheduler.is_observed().then_some(at)
}

/// Begins an operation as [`begin_on_all`], where that makes a difference.
#[cold]
#[inline(never)]
fn begin_on_all_slow(
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

/// Returns a resource of a kind (`"channel"`) that the caller creates, and reports its creation: an
/// exploration gives it the same number in every execution, whichever thread uses it first.
#[track_caller]
#[inline(always)]
pub(crate) fn created(kind: &'static str) -> Resource {
    let resource = Resource::new(kind);
    if let Some(scheduler) = try_scheduler()
        && scheduler.is_observed()
    {
        (scheduler.upcalls().report)(scheduler, Report::Created(&resource));
    }
    resource
}
