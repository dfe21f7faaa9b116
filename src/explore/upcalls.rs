//! The upcalls of a runtime for controlled runs: those of every runtime, behind the controller.
//!
//! In a run that is over or has not begun, each does what that of every runtime does.

#![forbid(unsafe_code)]

use std::ops::ControlFlow::{Break, Continue};
use std::panic::Location;

use super::choose::{self, draws, next_by, next_controlled, yield_by, yield_controlled};
use super::controller::UNTOLD;
use super::observe;
use super::path::Way;
use super::run::{is_controlled, run};
use crate::kernel::features::{Stage, Upcalls};
use crate::kernel::run_queue::Runnable;
use crate::kernel::slow_path::slow;
use crate::kernel::{ControlBlock, Departure, Report, Scheduler};
use crate::runtime::upcalls::UPCALLS;

pub(super) const CONTROLLED: Upcalls =
    Upcalls { idle, woken, yielded, access: observe::access, report, ..UPCALLS };

fn idle(scheduler: &Scheduler) -> Runnable {
    // In an exploration this comes as often as a yield. Each way to make a choice is in a function
    // of its own, since this one needs no frame.
    match next_by(scheduler, Way::Repeat) {
        Some(next) => next,
        None if draws(scheduler) => idle_by_chance(scheduler),
        None => idle_with_care(scheduler),
    }
}

#[inline(never)]
fn idle_by_chance(scheduler: &Scheduler) -> Runnable {
    match next_by(scheduler, Way::Draw) {
        Some(next) => next,
        None => idle_with_care(scheduler),
    }
}

#[inline(never)]
fn idle_with_care(scheduler: &Scheduler) -> Runnable {
    let next = next_by(scheduler, Way::Begin);
    let next = next.or_else(|| scheduler.is_controlled().then(|| next_controlled(scheduler))?);
    next.unwrap_or_else(|| (UPCALLS.idle)(scheduler))
}

fn woken(scheduler: &Scheduler, control: &ControlBlock) {
    if scheduler.slow() == slow::CONTROLLED {
        return observe::becomes_ready(scheduler, control);
    }
    woken_with_care(scheduler, control);
}

#[cold]
#[inline(never)]
fn woken_with_care(scheduler: &Scheduler, control: &ControlBlock) {
    if scheduler.is_controlled() {
        observe::becomes_ready(scheduler, control);
    }
    (UPCALLS.woken)(scheduler, control);
}

fn yielded(scheduler: &Scheduler, at: &'static Location<'static>) -> Option<Departure> {
    // Each way to make a choice is in a function of its own, since this one needs no frame.
    match yield_by(scheduler, Way::Repeat) {
        Break(departure) => departure,
        Continue(()) if draws(scheduler) => yield_by_chance(scheduler, at),
        Continue(()) => yield_with_care(scheduler, at),
    }
}

#[inline(never)]
fn yield_by_chance(scheduler: &Scheduler, at: &'static Location<'static>) -> Option<Departure> {
    match yield_by(scheduler, Way::Draw) {
        Break(departure) => departure,
        Continue(()) => yield_with_care(scheduler, at),
    }
}

#[cold]
#[inline(never)]
fn yield_with_care(scheduler: &Scheduler, at: &'static Location<'static>) -> Option<Departure> {
    if let Break(departure) = yield_by(scheduler, Way::Begin) {
        return departure;
    }
    if is_controlled(scheduler) {
        return yield_controlled(scheduler, at);
    }
    (UPCALLS.yielded)(scheduler, at)
}

fn report(scheduler: &Scheduler, report: Report<'_>) {
    match report {
        Report::Also(object, access) => observe::also(scheduler, object, access),
        Report::Part { object, access, verb, at } => {
            observe::tell(scheduler, object, access, verb, Some(at));
        }
        Report::Created(resource) => observe::created(scheduler, resource),
        Report::Value(value) => observe::value(scheduler, value),
        Report::Shown { name, at } => observe::shown(scheduler, name, at),
        Report::Elapsed(control) => observe::ends_wait(scheduler, control, UNTOLD),
        Report::Interrupted { control, why, .. } if scheduler.is_observed() => {
            observe::ends_wait(scheduler, control, why);
        }
        Report::Failed { control, payload, .. } => observe::fails(scheduler, control, payload),
        Report::Ending(control, Stage::Ended) => observe::ends(scheduler, control),
        Report::Refused => observe::refuses(scheduler),
        Report::MayYield(at) => choose::may_yield(scheduler, at),
        Report::Choose { count, chosen } if is_controlled(scheduler) => {
            chosen.set(run(scheduler).tell(|controller| controller.alternative(count)));
        }
        Report::Ending(..) | Report::Choose { .. } => (UPCALLS.report)(scheduler, report),
        Report::Interrupted { .. } | Report::Entered | Report::Returns => {}
    }
}
