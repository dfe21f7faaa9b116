//! The timers of a runtime, and what each of them ends.

use std::cell::RefCell;
use std::collections::HashSet;

use super::clock::{self, Clock};
use super::heap::{TimerHeap, TimerId};
use super::slice::Slice;
use crate::access::Access;
use crate::kernel::features::SchedulerState;
use crate::kernel::{ControlBlock, Scheduler, ThreadRef};

/// What a timer ends.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A wait of a thread. The timer is stopped before the thread goes on.
    Wait(ThreadRef),
    /// A cancel scope, with its number, that a thread is in. The timer is stopped when the scope
    /// or the thread ends.
    Scope(ThreadRef, u64),
}

/// The clock and the timers of a runtime.
pub(crate) struct Timers {
    pub(super) clock: Clock,
    slice: Slice,
    heap: RefCell<TimerHeap<Target>>,
}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Timers {
        Timers { clock, slice: Slice::default(), heap: RefCell::new(TimerHeap::new()) }
    }
}

/// Returns `true` if the current thread has used up its slice of time.
pub(crate) fn is_slice_over(scheduler: &Scheduler) -> bool {
    let Timers { clock, slice, .. } = scheduler.state();
    slice.is_over(clock, scheduler.switches())
}

/// Returns the timers.
pub(crate) fn heap(scheduler: &Scheduler) -> &RefCell<TimerHeap<Target>> {
    &scheduler.state::<Timers>().heap
}

/// Starts the timer of a wait. Returns its token.
pub(crate) fn arm(scheduler: &Scheduler, control: &ControlBlock, deadline: u64) -> u64 {
    clock::observe(scheduler, Access::Write);
    let target = Target::Wait(ThreadRef::of(control));
    heap(scheduler).borrow_mut().insert(deadline, target).token()
}

/// Stops the timer of a wait.
pub(crate) fn disarm(scheduler: &Scheduler, token: u64) {
    clock::observe(scheduler, Access::Write);
    stop(scheduler, TimerId::of_token(token));
}

/// Starts the timer of a cancel scope.
pub(crate) fn start_for_scope(
    scheduler: &Scheduler,
    control: &ControlBlock,
    scope: u64,
    deadline: u64,
) -> TimerId {
    clock::observe(scheduler, Access::Write);
    let target = Target::Scope(ThreadRef::of(control), scope);
    heap(scheduler).borrow_mut().insert(deadline, target)
}

/// Stops a timer. Does nothing if it has fired.
pub(crate) fn stop(scheduler: &Scheduler, id: TimerId) {
    heap(scheduler).borrow_mut().remove(id);
}

/// Takes out the next timer with a deadline that is not after `now`. Returns its target, and the
/// thread of the timer after it.
pub(crate) fn pop_expired(scheduler: &Scheduler, now: u64) -> Option<(Target, Option<ThreadRef>)> {
    let mut heap = heap(scheduler).borrow_mut();
    let target = heap.pop_expired(now)?;
    Some((target, heap.next_target().map(thread_of)))
}

/// Returns a function that returns `true` for the threads of which a deadline ends a wait or a cancel scope.
pub(crate) fn have_deadlines(scheduler: &Scheduler) -> impl Fn(&ControlBlock) -> bool {
    let heap = heap(scheduler).borrow();
    let threads: HashSet<*const ()> = heap.targets().map(|it| thread_of(it).address()).collect();
    move |control| threads.contains(&ThreadRef::of(control).address())
}

fn thread_of(target: Target) -> ThreadRef {
    match target {
        Target::Wait(thread) | Target::Scope(thread, _) => thread,
    }
}

pub(crate) fn is_empty(scheduler: &Scheduler) -> bool {
    heap(scheduler).borrow().is_empty()
}

/// Returns the deadline of the next timer to fire.
pub(crate) fn next_deadline(scheduler: &Scheduler) -> Option<u64> {
    heap(scheduler).borrow().next_deadline()
}

// SAFETY: no other type has slot 0.
unsafe impl SchedulerState for Timers {
    const SLOT: usize = 0;
}
