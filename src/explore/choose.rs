//! Where a controlled run switches: the controller, or the path in its place, chooses the next
//! thread.

use std::ops::ControlFlow;
use std::panic::Location;

use super::controller::{Awaits, Stuck, Suspended, Suspension};
use super::enabled_set::EnabledSet;
use super::path::Way;
use super::run::{ControlledRun, StepProgress, is_controlled, run};
use super::teardown;
use crate::access::Object;
use crate::driver;
use crate::inspect::deadlock::{label, of_closure, wanted_of};
use crate::kernel::run_queue::Runnable;
use crate::kernel::{ControlBlock, Departure, Need, Scheduler, State, Wait, WaitFor};
use crate::remote::inbox::read_inbox;
use crate::timer::clock::VIRTUAL_START;
use crate::timer::{is_slice_over, time};

/// Makes the choice of a yield where the controller asks for no more than choices, and the path
/// makes it this way. Otherwise returns `Continue`, and nothing has been done. `Break(None)` lets
/// the current thread go on.
#[inline(always)]
pub(super) fn yield_by(scheduler: &Scheduler, way: Way) -> ControlFlow<Option<Departure>> {
    let run = run(scheduler);
    if !run.is_quiet.get() {
        return ControlFlow::Continue(());
    }
    let enabled = EnabledSet::new(scheduler.held_queue(), Some(scheduler.current()), false);
    match run.path().next_by(way, &enabled) {
        Some(index) => ControlFlow::Break(give_turn(scheduler, take_by(way, &enabled, index))),
        None => ControlFlow::Continue(()),
    }
}

/// Returns `true` if the run follows a path that draws choices.
#[inline(always)]
pub(super) fn draws(scheduler: &Scheduler) -> bool {
    let run = run(scheduler);
    run.is_plain.get() && run.path().is_drawn()
}

/// Yields where the controller chooses the next thread. Returns the switch to make.
#[inline(never)]
pub(super) fn yield_controlled(
    scheduler: &Scheduler,
    at: &'static Location<'static>,
) -> Option<Departure> {
    let run = run(scheduler);
    let mask = run.mask.get();
    if mask.yields && !run.is_preempted.get() {
        run.tell(|controller| controller.yields(scheduler.current().number()));
    }
    // Otherwise the suspension event still needs the flag.
    if !mask.suspensions {
        run.is_preempted.set(false);
    }
    if run.is_plain.get() {
        return choose_for_yield(scheduler);
    }
    run.yields_at.set(Some(at));
    scheduler.yield_in_queue();
    None
}

/// Lets others run where the current thread may have used up its slice of time, if the controller
/// chooses so. In a run that is over, a slice is as long as elsewhere.
pub(super) fn may_yield(scheduler: &Scheduler, at: &'static Location<'static>) {
    if is_controlled(scheduler) {
        preempt(scheduler, at);
    } else if is_slice_over(scheduler) {
        scheduler.yield_out_of_line(at);
    }
}

/// Lets others run first, if the controller chooses so.
pub(super) fn preempt(scheduler: &Scheduler, at: &'static Location<'static>) {
    let run = run(scheduler);
    if std::thread::panicking() {
        run.is_preempted.set(true);
        scheduler.yield_while_panicking(at);
    } else if run.is_plain.get() {
        if let Some(departure) = choose_for_yield(scheduler) {
            scheduler.complete(departure);
        }
    } else {
        run.is_preempted.set(true);
        scheduler.yield_out_of_line(at);
    }
}

/// Returns the switch that the controller chooses for a thread that yields; `None` if the thread
/// goes on.
#[inline(never)]
fn choose_for_yield(scheduler: &Scheduler) -> Option<Departure> {
    let run = run(scheduler);
    let enabled = EnabledSet::new(scheduler.held_queue(), Some(scheduler.current()), false);
    run.progress.set(StepProgress::Nothing);
    match run.choose(&enabled) {
        Some(index) => give_turn(scheduler, enabled.take_far(index)),
        None => {
            teardown::stop(scheduler);
            scheduler.yield_in_queue();
            None
        }
    }
}

/// Takes the thread at `index` out of the queue. A thread that is drawn is far behind the first one
/// where there are many.
#[inline(always)]
fn take_by(way: Way, enabled: &EnabledSet<'_>, index: usize) -> Option<Runnable> {
    match way {
        Way::Draw => enabled.take_far(index),
        Way::Repeat | Way::Begin => enabled.take(index),
    }
}

/// Begins the switch to the thread that was taken out of the queue; `None` if the current one was
/// chosen, which is not in it.
#[inline(always)]
fn give_turn(scheduler: &Scheduler, next: Option<Runnable>) -> Option<Departure> {
    let next = next?;
    let current = scheduler.current();
    // SAFETY: the pop has made room, and the switch puts the context in its place.
    Some(unsafe { scheduler.depart(scheduler.held_queue().push_place(current), next) })
}

/// Returns the next thread for a thread that waits or has ended, where the controller asks for
/// no more than choices, and the path makes the choice this way. Returns `None` otherwise; then
/// nothing has been done.
#[inline(always)]
pub(super) fn next_by(scheduler: &Scheduler, way: Way) -> Option<Runnable> {
    let run = run(scheduler);
    if !run.is_plain.get() {
        return None;
    }
    let enabled = EnabledSet::new(scheduler.held_queue(), None, false);
    if enabled.len() == 0 {
        return None;
    }
    let index = run.path().next_by(way, &enabled)?;
    // mistake: chosen-again
    run.progress.set(StepProgress::Nothing);
    take_by(way, &enabled, index)
}

/// Returns the next thread, chosen by the controller. The current thread is not in the queue, or
/// at its end. Returns `None` if the run is over: then it is first come, first served.
pub(super) fn next_controlled(scheduler: &Scheduler) -> Option<Runnable> {
    let run = run(scheduler);
    if run.stopping.is_stopped.get() {
        teardown::end_turn(scheduler);
        return None;
    }
    run.is_deciding.set(true);
    if run.mask.get().suspensions {
        tell_suspension(run, scheduler.current());
    }
    let next = loop {
        let next = choose_next(scheduler);
        if next.is_some() || run.stopping.is_stopped.get() {
            break next;
        }
    };
    run.is_deciding.set(false);
    run.progress.set(StepProgress::Nothing);
    next
}

/// Makes one choice. Returns `None` if it chose no thread: time has passed, or the run is over.
fn choose_next(scheduler: &Scheduler) -> Option<Runnable> {
    let run = run(scheduler);
    let clock = run.mask.get().time && driver::idle::can_time_pass(scheduler);
    let enabled = EnabledSet::new(scheduler.ready(), None, clock);
    if enabled.len() == 0 {
        wait(scheduler);
        return None;
    }
    match run.choose(&enabled) {
        Some(index) if enabled.is_clock(index) => {
            driver::pass_virtual_time(scheduler);
            run.tell(|controller| controller.time_is(elapsed(scheduler)));
            driver::poll(scheduler);
            None
        }
        Some(index) => enabled.take_far(index),
        None => {
            teardown::stop(scheduler);
            None
        }
    }
}

/// Makes a thread ready, or ends the run.
fn wait(scheduler: &Scheduler) {
    let run = run(scheduler);
    read_inbox(scheduler);
    if !scheduler.ready().is_empty() {
        return;
    }
    if driver::pass_virtual_time(scheduler) {
        run.tell(|controller| {
            controller.time_passed();
            controller.time_is(elapsed(scheduler));
        });
        driver::poll(scheduler);
    } else if !driver::sleep(scheduler) {
        let all = scheduler.all();
        let stuck = Stuck { all: &all };
        run.tell(|controller| controller.stuck(&stuck));
        teardown::stop(scheduler);
    }
}

/// Returns the nanoseconds of virtual time that have passed since the run began.
fn elapsed(scheduler: &Scheduler) -> u64 {
    time(scheduler) - VIRTUAL_START
}

#[cold]
fn tell_suspension(run: &ControlledRun, control: &ControlBlock) {
    let awaits = || awaits(run, control);
    let is_preempted = run.is_preempted.replace(false);
    let yields = run.yields_at.take().unwrap_or(control.spawned_at());
    let (why, at) = match (control.state(), control.waits_for()) {
        (State::Finished, _) => (Suspended::Ends, control.spawned_at()),
        (State::Waiting, Some(wait)) => (Suspended::Waits(&awaits), wait.line()),
        (State::Waiting, None) => (Suspended::Waits(&awaits), control.spawned_at()),
        (State::Runnable, _) if is_preempted => (Suspended::Preempted, yields),
        (State::Runnable, _) => (Suspended::Yields, yields),
    };
    let suspension = Suspension { why, at };
    run.tell(|controller| controller.suspended(&suspension));
}

fn awaits<'a>(run: &ControlledRun, control: &'a ControlBlock) -> Awaits<'a> {
    let number = |need: Need<'a>| run.number_of(Object::Resource(need.resource));
    let numbered = |wait: WaitFor<'a>| (wait, wait.need().map_or(0, number));
    match control.waits_for().map(Wait::what) {
        None => Awaits::Words("waits".to_owned()),
        Some(resource @ WaitFor::Resource(_)) => Awaits::Any(vec![numbered(resource)]),
        Some(WaitFor::Any(all)) => {
            Awaits::Any(all.as_written().into_iter().map(numbered).collect())
        }
        Some(other) => Awaits::Words(briefly(other)),
    }
}

/// Returns what a thread does, in words, that waits for no resource.
fn briefly(wait: WaitFor<'_>) -> String {
    match wait {
        WaitFor::Sleep => "sleeps".to_owned(),
        WaitFor::Unpark => "parks".to_owned(),
        WaitFor::Future(None) => "waits for a future".to_owned(),
        WaitFor::Future(Some(begun)) => format!("waits for {}", of_closure(begun)),
        WaitFor::Join(target) => format!("waits for {} to end", label(target)),
        WaitFor::Scope(_) => "waits for its scope".to_owned(),
        WaitFor::AllEnded => "waits for the others".to_owned(),
        WaitFor::Stalled => "waits for all to wait".to_owned(),
        WaitFor::Resource(need) => format!("waits for {}", wanted_of(need)),
        WaitFor::Any(_) => "waits for any of several".to_owned(),
        WaitFor::External(external) => format!("{} {}", external.verb(), external.object()),
    }
}
