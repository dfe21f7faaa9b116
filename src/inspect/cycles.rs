//! Cycles of green threads that wait for each other while something outside may wake others.

use std::cell::{Cell, RefCell};
use std::ptr;

use super::deadlock::partial_deadlock;
use super::room::with_room;
use super::wait_graph;
use crate::kernel::features::SchedulerState;
use crate::kernel::{ControlBlock, Scheduler, WaitFor, Want};
use crate::sys;
use crate::timer::timers;

/// The share of the time that looks may take: one part in so many.
const SHARE: u64 = 100;

/// What is known of the cycles of a runtime.
#[derive(Default)]
pub(crate) struct Cycles {
    /// The count of waits for threads at the last look.
    seen: Cell<usize>,
    /// When the next look may be, in nanoseconds of the system's clock.
    next: Cell<u64>,
    /// The numbers of the threads of each cycle that was there at the last look.
    reported: RefCell<Vec<Vec<u64>>>,
}

// SAFETY: no other type has slot 12, and every scheduler gets such a state.
unsafe impl SchedulerState for Cycles {
    const SLOT: usize = 12;
}

/// Prints a report of each cycle that has come about, where no thread can run. Returns the time in
/// nanoseconds after which this is to be called again, if it was too early.
///
/// It looks only if a wait for a thread has begun since the last look, and seldom enough to take no more
/// than a hundredth of the time: with 10,000 threads, a look takes a millisecond.
#[inline]
pub(crate) fn report_cycles(scheduler: &Scheduler) -> Option<u64> {
    let cycles = scheduler.state::<Cycles>();
    let begun = scheduler.waits_for_threads();
    if begun == cycles.seen.get() { None } else { look_if_due(scheduler, cycles, begun) }
}

#[cold]
#[inline(never)]
fn look_if_due(scheduler: &Scheduler, cycles: &Cycles, begun: usize) -> Option<u64> {
    if scheduler.is_controlled() {
        // An exploration finds and tells them itself.
        return None;
    }
    let now = sys::clock::now();
    if let Some(left) = cycles.next.get().checked_sub(now).filter(|&left| left > 0) {
        return Some(left);
    }
    cycles.seen.set(begun);
    with_room(|| look(scheduler, cycles));
    let end = sys::clock::now();
    cycles.next.set(end.saturating_add(end.saturating_sub(now).saturating_mul(SHARE)));
    None
}

fn look(scheduler: &Scheduler, cycles: &Cycles) {
    let all = scheduler.all();
    let mut found = Vec::new();
    for cycle in wait_graph::find(&lasting(scheduler, &all)) {
        let numbers: Vec<u64> = cycle.iter().map(|step| step.thread.number()).collect();
        // mistake: cycle-told-again
        if !cycles.reported.borrow().contains(&numbers) {
            eprintln!("leno: {}", partial_deadlock(&cycle, &all));
        }
        found.push(numbers);
    }
    cycles.reported.replace(found);
}

/// Returns the threads that go on waiting for each other unless another thread cancels one: those without
/// a deadline, and not behind one with a deadline that waits to write.
fn lasting<'a>(scheduler: &Scheduler, all: &[&'a ControlBlock]) -> Vec<&'a ControlBlock> {
    let has_deadline = timers::have_deadlines(scheduler);
    let need = |control: &ControlBlock| match control.waits_for()?.what() {
        WaitFor::Resource(need) => Some((ptr::from_ref(need.resource), need.what)),
        _ => None,
    };
    let timed = all.iter().filter(|control| has_deadline(control));
    let timed: Vec<_> = timed.filter_map(|control| need(control)).collect();
    // mistake: deadline-in-cycle
    let ends = |control: &ControlBlock| {
        has_deadline(control)
            || need(control).is_some_and(|(resource, what)| {
                what == Want::Share && timed.iter().any(|&(other, _)| ptr::eq(other, resource))
            })
    };
    all.iter().copied().filter(|control| !ends(control)).collect()
}
