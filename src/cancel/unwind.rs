//! Unwinding a green thread: because it was cancelled, because the deadline of a cancel scope
//! that it is in has come, or because nothing can wake it any more.
//!
//! The unwinding is a panic with a private payload. It is thrown where the thread waits or comes
//! to wait next, and again wherever it waits later. It is not thrown while the thread panics or
//! unwinds: then a destructor waits, and a second panic there would end the process. An unwinding
//! ends where it is caught, wherever its payload goes then.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::panic;
use std::ptr;

use crate::access::{Access, Object, note};
use crate::kernel::features::ThreadState;
use crate::kernel::thread_info::Unwinding;
use crate::kernel::{
    Cause, ControlBlock, Outcome, Payload, Report, Scheduler, State, ThreadInfo, Wait, WaitFor,
    is_panicking, scheduler,
};
use crate::sys;
use crate::timer::heap::TimerId;
use crate::timer::{clock, timers};

/// The number of times that a thread may catch its unwinding and wait again.
const MAX_ATTEMPTS: u32 = 1_000;

/// The reasons for which a thread is to be unwound, as bits.
mod reason {
    pub(super) const CANCELLED: u8 = 1;
    /// The deadline of a cancel scope that it is in has come.
    pub(super) const ELAPSED: u8 = 2;
    /// Nothing can wake it, or its runtime is dropped. No shield holds this off.
    pub(super) const FORCED: u8 = 4;

    /// Returns the words of a timeline for a reason.
    pub(super) fn text(reason: u8) -> &'static str {
        match reason {
            CANCELLED => "cancelled",
            ELAPSED => "out of time",
            _ => "forced to end",
        }
    }
}

/// What a thread that has been in a cancel scope, or was unwound, keeps.
#[derive(Default)]
struct Cancellation {
    attempts: Cell<u32>,
    /// The cancel scopes that the thread is in, the outermost first.
    scopes: RefCell<Vec<Entered>>,
}

impl ThreadState for Cancellation {
    const SLOT: usize = 0;
}

/// A cancel scope that a thread is in.
struct Entered {
    number: u64,
    /// `None` if the deadline never comes, or had come from the start.
    timer: Option<TimerId>,
    elapsed: bool,
    /// The number of shields around it.
    shields: u32,
}

/// What is to be unwound.
enum Extent {
    Thread,
    /// The stack up to the cancel scope with this number.
    Scope(u64),
}

/// Makes a thread unwind at its next suspension. Does nothing if it has ended, or was cancelled
/// before.
pub(crate) fn cancel(control: &ControlBlock) {
    interrupt(control, reason::CANCELLED);
}

/// Cancels the thread of a handle, if it has not ended.
#[track_caller]
pub(crate) fn cancel_thread(info: &ThreadInfo) {
    note(Object::Unwinding(info.id().number()), Access::Write, "cancel");
    cancel_now(info);
}

/// Cancels as [`cancel_thread`] does, as a part of an operation that has begun.
pub(crate) fn cancel_now(info: &ThreadInfo) {
    if let Some(control) = info.control() {
        cancel(control);
    }
}

/// Makes every green thread unwind, whatever shields it, but the main one if it only waits for
/// the others. Returns `true` if there was one that had not been told before.
pub(crate) fn force_all(scheduler: &Scheduler) -> bool {
    interrupt_all(scheduler, reason::FORCED, |control| !control.waits_for_all())
}

/// Cancels every green thread but the main one.
#[cold]
pub(crate) fn cancel_rest(scheduler: &Scheduler) {
    interrupt_all(scheduler, reason::CANCELLED, |control| !ptr::eq(control, scheduler.main()));
}

/// Makes those green threads unwind for this reason. Returns `true` if there was one that had not
/// been told before.
fn interrupt_all(
    scheduler: &Scheduler,
    reason: u8,
    is_meant: impl Fn(&ControlBlock) -> bool,
) -> bool {
    let mut any = false;
    let mut all = scheduler.all();
    // The thread that waited last goes first: its stack is still in the cache.
    all.sort_by_key(|&control| !scheduler.is_current(control));
    for control in all {
        let is_told = control.cancel_flags().reasons() & reason != 0;
        if !is_told && is_meant(control) {
            any = true;
            scheduler.caused_by(Cause::Runtime, || interrupt(control, reason));
        }
    }
    any
}

fn interrupt(control: &ControlBlock, reason: u8) {
    if control.is_finished() {
        return;
    }
    let scheduler = control.scheduler();
    let flags = control.cancel_flags();
    let before = flags.reasons();
    let (why, is_new) = (reason::text(reason), before & reason == 0);
    (scheduler.upcalls().report)(scheduler, Report::Interrupted { control, why, is_new });
    flags.set_reasons(scheduler, before | reason);
    wake_if_due(scheduler, control);
}

/// Returns `true` if the thread must be unwound where it waits. `panicking` tells whether it is
/// in the middle of a panic there, or of an unwinding, which is a panic as well.
pub(crate) fn is_due(control: &ControlBlock, panicking: bool) -> bool {
    let flags = control.cancel_flags();
    flags.reasons() != 0
        // mistake: destructor-unwound
        && !panicking
        // mistake: in-flight-for-ever
        && !flags.is_protected()
        && !sys::panics::is_hook_running()
        && extent(control).is_some()
}

/// Ends the waits of threads that are to be unwound, after what has held that off.
pub(crate) fn wake_due(scheduler: &Scheduler) {
    if scheduler.is_eventful() {
        scheduler.all().into_iter().for_each(|control| wake_if_due(scheduler, control));
    }
}

fn wake_if_due(scheduler: &Scheduler, control: &ControlBlock) {
    // mistake: cancelled-wait-goes-on
    if control.state() == State::Waiting
        && !control.is_frame_borrowed()
        && is_due(control, control.cancel_flags().is_panicking())
    {
        scheduler.wake(control, Outcome::Interrupted);
    }
}

/// Returns what must be unwound now, if shields do not hold it off.
fn extent(control: &ControlBlock) -> Option<Extent> {
    let (reasons, shields) = (control.cancel_flags().reasons(), control.cancel_flags().shields());
    // mistake: cancellation-unshielded
    if reasons & reason::FORCED != 0 || (reasons & reason::CANCELLED != 0 && shields == 0) {
        return Some(Extent::Thread);
    }
    // The outermost: to unwind an inner one first would only take longer.
    let scopes = control.state_of::<Cancellation>()?.scopes.borrow();
    // mistake: deadline-unshielded
    // mistake: deadline-shielded
    let due = |scope: &&Entered| scope.elapsed && scope.shields == shields;
    // mistake: innermost-scope-ends
    scopes.iter().find(due).map(|scope| Extent::Scope(scope.number))
}

/// Unwinds the current thread if that is due.
#[cold]
#[inline(never)]
pub(crate) fn unwind_if_due(scheduler: &Scheduler) {
    let control = scheduler.current();
    if is_due(control, is_panicking()) {
        throw(control);
    }
}

/// Unwinds the current green thread, after [`Outcome::Interrupted`].
#[cold]
#[inline(never)]
pub(crate) fn interrupted() -> ! {
    let scheduler = scheduler("waiting");
    // It was woken before the hook began. The end of the hook wakes it again.
    while sys::panics::is_hook_running() {
        let _ = scheduler.block(&Wait::new(WaitFor::Sleep), None);
    }
    throw(scheduler.current())
}

/// Unwinds the stack of the current thread.
#[cold]
#[inline(never)]
fn throw(control: &ControlBlock) -> ! {
    if cfg!(panic = "abort") {
        sys::abort(&[
            b"leno: a green thread was cancelled or ran into a deadline, and this program is \
              built with panic=\"abort\", so its stack cannot be unwound\n\
              leno: build with panic=\"unwind\"\n",
        ]);
    }
    let cancellation = control.state_or_default::<Cancellation>();
    cancellation.attempts.set(cancellation.attempts.get() + 1);
    if cancellation.attempts.get() > MAX_ATTEMPTS {
        sys::abort(&[
            b"leno: a green thread that is being unwound has caught the unwinding and waited \
              again 1000 times; a loop around catch_unwind must end when it catches a \
              payload that it does not know\n",
        ]);
    }
    let scope = match extent(control) {
        Some(Extent::Scope(number)) => Some(number),
        Some(Extent::Thread) | None => None,
    };
    panic::resume_unwind(Box::new(control.begin_unwinding(scope)))
}

/// Ends the cancellation of a thread that has ended.
#[cold]
#[inline(never)]
pub(crate) fn forget(scheduler: &Scheduler, control: &ControlBlock) {
    if let Some(cancellation) = control.state_of::<Cancellation>() {
        // A scope is left only if a coroutine has carried its frame elsewhere.
        for timer in cancellation.scopes.take().into_iter().filter_map(|scope| scope.timer) {
            timers::stop(scheduler, timer);
        }
        cancellation.attempts.set(0);
    }
    control.cancel_flags().set_reasons(scheduler, 0);
}

/// Enters a cancel scope.
pub(super) fn enter_scope(control: &ControlBlock, number: u64, timer: Option<TimerId>) {
    let shields = control.cancel_flags().shields();
    let scope = Entered { number, timer, elapsed: false, shields };
    control.state_or_default::<Cancellation>().scopes.borrow_mut().push(scope);
}

/// Makes the thread leave a cancel scope, at once if it waits in it. Does nothing if it has left
/// the scope.
pub(crate) fn elapse_scope(control: &ControlBlock, number: u64) {
    let Some(cancellation) = control.state_of::<Cancellation>() else { return };
    match cancellation.scopes.borrow_mut().iter_mut().find(|scope| scope.number == number) {
        Some(scope) => scope.elapsed = true,
        None => return,
    }
    interrupt(control, reason::ELAPSED);
}

/// Leaves a cancel scope, usually the one that the thread entered last. Returns `true` if it was
/// cancelled.
pub(super) fn leave_scope(control: &ControlBlock, number: u64) -> bool {
    let Some(Cancellation { attempts, scopes }) = control.state_of::<Cancellation>() else {
        return false;
    };
    let place = scopes.borrow().iter().rposition(|scope| scope.number == number);
    let Some(place) = place else { return false };
    let scope = scopes.borrow_mut().remove(place);
    let scheduler = control.scheduler();
    // mistake: scope-timer-goes-on
    if let Some(timer) = scope.timer {
        clock::observe(scheduler, Access::Write);
        timers::stop(scheduler, timer);
    }
    let reasons = control.cancel_flags().reasons();
    if reasons & reason::ELAPSED != 0 && !scopes.borrow().iter().any(|scope| scope.elapsed) {
        // What was thrown for the scope has been caught.
        attempts.set(0);
        control.end_unwinding();
        control.cancel_flags().set_reasons(scheduler, reasons & !reason::ELAPSED);
    }
    scope.elapsed
}

/// Returns `true` if `payload` was thrown to leave the cancel scope with this number.
pub(super) fn is_of_scope(payload: &Payload, number: u64) -> bool {
    let unwinding = payload.downcast_ref::<Unwinding>();
    // mistake: ends-in-any-scope
    unwinding.is_some_and(|unwinding| unwinding.scope() == Some(number))
}
