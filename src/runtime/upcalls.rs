//! The table of what the kernel calls, and in which order features hear of it: the controller first,
//! then what is outside. A recording and a stack visit put functions of their own before these.

use std::ops::ControlFlow::{Break, Continue};
use std::panic::Location;

use super::{locals, next};
use crate::cancel::unwind;
use crate::driver;
use crate::explore::choose::{draws, yield_by, yield_controlled};
use crate::explore::{UNTOLD, Way, is_controlled, observe};
use crate::kernel::features::{Stage, Upcalls};
use crate::kernel::slow_path::{pending, slow};
use crate::kernel::{ControlBlock, Departure, Report, Scheduler};
use crate::remote::inbox::existing_inbox;
use crate::remote::wake_end_waker;
use crate::timer::timers;

pub(super) const UPCALLS: Upcalls = Upcalls {
    idle: next::idle,
    poll,
    woken,
    yielded,
    arrived,
    arm: timers::arm,
    disarm: timers::disarm,
    access: observe::access,
    report,
};

fn poll(scheduler: &Scheduler) {
    driver::poll(scheduler);
    #[cfg(feature = "net")]
    driver::io::look_if_due(scheduler);
    driver::prefetch::next_threads(scheduler);
}

fn woken(scheduler: &Scheduler, control: &ControlBlock) {
    let slow = scheduler.slow();
    if slow == slow::CONTROLLED {
        return observe::becomes_ready(scheduler, control);
    }
    woken_with_care(scheduler, control, slow);
}

#[cold]
#[inline(never)]
fn woken_with_care(scheduler: &Scheduler, control: &ControlBlock, slow: u8) {
    if slow & slow::CONTROLLED != 0 {
        observe::becomes_ready(scheduler, control);
    }
    if slow & slow::OUTSIDE != 0
        && let Some(inbox) = existing_inbox(scheduler)
    {
        inbox.notify();
    }
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
    scheduler.yield_in_queue();
    None
}

fn arrived(scheduler: &Scheduler, may_unwind: bool) {
    scheduler.free_dead();
    if may_unwind && scheduler.pending() & pending::UNWIND != 0 {
        unwind::unwind_if_due(scheduler);
    }
}

fn report(scheduler: &Scheduler, report: Report<'_>) {
    match report {
        Report::Also(object, access) => observe::also(scheduler, object, access),
        Report::Part { object, access, verb, at } => {
            observe::tell(scheduler, object, access, verb, Some(at));
        }
        Report::Created(resource) => observe::created(scheduler, resource),
        Report::Value(value) => observe::value(scheduler, value),
        Report::Elapsed(control) => {
            observe::ends_wait(scheduler, control, UNTOLD);
        }
        Report::Interrupted { control, why, .. } if scheduler.is_observed() => {
            observe::ends_wait(scheduler, control, why);
        }
        Report::Failed { control, payload, .. } => observe::fails(scheduler, control, payload),
        Report::Ending(control, Stage::Left) => locals::drop_all(scheduler, control),
        Report::Ending(control, Stage::Announced) => wake_end_waker(scheduler, control),
        Report::Ending(control, Stage::Uncancelled) => unwind::forget(scheduler, control),
        Report::Ending(control, Stage::Ended) => observe::ends(scheduler, control),
        Report::Refused => observe::refuses(scheduler),
        Report::Interrupted { .. } | Report::Entered | Report::Returns => {}
    }
}
