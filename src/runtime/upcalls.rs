//! The table of what the kernel calls. What controls or records a runtime puts functions of its own
//! before these.

#![forbid(unsafe_code)]

use std::panic::Location;

use super::{locals, next, room};
use crate::cancel::unwind;
use crate::driver;
use crate::kernel::features::{Stage, Upcalls};
use crate::kernel::slow_path::{pending, slow};
use crate::kernel::{ControlBlock, Departure, Report, Scheduler};
use crate::remote::announce_end;
use crate::remote::inbox::existing_inbox;
use crate::timer::timers;

pub(crate) const UPCALLS: Upcalls = Upcalls {
    idle: next::idle,
    poll,
    woken,
    yielded,
    arrived,
    arm: timers::arm,
    disarm: timers::disarm,
    // Without a controller, nothing observes accesses.
    access: |_, _, _, _, _| {},
    report,
};

fn poll(scheduler: &Scheduler) {
    driver::poll(scheduler);
    #[cfg(feature = "net")]
    driver::io::look_if_due(scheduler);
    driver::prefetch::next_threads(scheduler);
}

fn woken(scheduler: &Scheduler, _: &ControlBlock) {
    if scheduler.slow() & slow::OUTSIDE != 0
        && let Some(inbox) = existing_inbox(scheduler)
    {
        inbox.notify();
    }
}

fn yielded(scheduler: &Scheduler, _: &'static Location<'static>) -> Option<Departure> {
    scheduler.yield_in_queue();
    None
}

fn arrived(scheduler: &Scheduler, may_unwind: bool) {
    scheduler.free_dead();
    room::wake_first(scheduler);
    if may_unwind && scheduler.pending() & pending::UNWIND != 0 {
        unwind::unwind_if_due(scheduler);
    }
}

fn report(scheduler: &Scheduler, report: Report<'_>) {
    match report {
        Report::Ending(control, Stage::Left) => locals::drop_all(scheduler, control),
        Report::Ending(control, Stage::Announced) => announce_end(scheduler, control),
        Report::Ending(control, Stage::Uncancelled) => unwind::forget(scheduler, control),
        Report::Choose { count, chosen } => chosen.set(next::random_below(scheduler, count)),
        _ => {}
    }
}
