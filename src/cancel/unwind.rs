//! Unwinding a green thread: because it was cancelled, because a deadline scope
//! that it is in has elapsed, or because nothing can wake it any more.
//!
//! It is a panic with a private payload, thrown where the green thread waits or
//! comes to wait next, and again wherever it waits later. Not so while the
//! payload is alive: then whoever waits is a destructor that the unwinding runs,
//! and a second panic there would end the process.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::access::access::Access;
use crate::kernel::control_block::{ControlBlock, Payload, State};
use crate::kernel::scheduler::{Scheduler, chore};
use crate::kernel::thread_info::{DeadlineScope, ThreadInfo};
use crate::kernel::wait_reason::Outcome;
use crate::sys;
use crate::timer::heap::TimerId;

/// A green thread that catches the unwinding and waits again is unwound again,
/// this many times.
const MAX_ATTEMPTS: u32 = 1_000;

/// Why a green thread is to be unwound, as bits.
mod why {
    pub(crate) const CANCELLED: u8 = 1;
    /// It is in a deadline scope that has elapsed.
    pub(crate) const ELAPSED: u8 = 2;
    /// Nothing can wake it, or its runtime goes away. No shield holds this off.
    pub(crate) const FORCED: u8 = 4;

    /// One of them, in the words of a timeline.
    pub(crate) fn text(why: u8) -> &'static str {
        match why {
            CANCELLED => "cancelled",
            ELAPSED => "out of time",
            _ => "forced to end",
        }
    }
}

/// What one green thread knows of its unwinding.
#[derive(Default)]
pub(crate) struct Unwind {
    /// Bits of [`why`].
    pending: Cell<u8>,
    /// It is suspended in the middle of a panic.
    panicking: Cell<bool>,
    /// The payload is alive, but has been caught, and goes on later.
    caught: Cell<bool>,
    shields: Cell<u32>,
}

/// The payload of [`join`](crate::thread::JoinHandle::join) of a green thread
/// that was cancelled.
///
/// # Examples
///
/// ```
/// use leno::thread::{self, Cancelled};
///
/// leno::run(|| {
///     let handle = thread::spawn(thread::park);
///     handle.cancel();
///     assert!(handle.join().unwrap_err().is::<Cancelled>());
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the green thread was cancelled")
    }
}

impl std::error::Error for Cancelled {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Thread,
    /// The deadline scope with this id.
    Scope(u64),
}

struct Unwinding {
    in_flight: Arc<AtomicBool>,
    reason: Reason,
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        self.in_flight.store(false, Ordering::Relaxed);
    }
}

impl Unwind {
    /// Is it to be unwound, if perhaps not just now?
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.get() != 0
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.pending.get() & why::FORCED != 0
    }

    /// Runs `f`, while the payload of the unwinding is in the runtime's own hands:
    /// it is alive, but the green thread does not unwind.
    pub(crate) fn while_caught<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Before<'a>(&'a Unwind, bool);
        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.caught.set(self.1);
            }
        }
        let _before = Before(self, self.caught.replace(true));
        f()
    }

    pub(crate) fn set_panicking(&self, panicking: bool) {
        self.panicking.set(panicking);
    }
}

impl ControlBlock {
    /// Has it unwound at its next suspension. Does nothing if it has ended, or if
    /// this has been said before.
    pub(crate) fn cancel(&self) {
        self.interrupt(why::CANCELLED);
    }

    /// Has it unwound, whatever shields it.
    pub(crate) fn force(&self) {
        self.interrupt(why::FORCED);
    }

    fn interrupt(&self, why: u8) {
        if self.is_finished() {
            return;
        }
        let scheduler = self.scheduler();
        if scheduler.chores.get() & chore::OPERATIONS != 0 {
            scheduler.operate_on_wait(self, why::text(why));
        }
        let pending = self.unwind.pending.get();
        if pending == 0 {
            scheduler.one_more_interrupted();
        }
        self.unwind.pending.set(pending | why);
        if pending & why == 0 {
            scheduler.trace_interrupt(self, why::text(why));
        }
        let panicking = self.unwind.panicking.get();
        if self.state.get() == State::Waiting && !self.lent.get() && self.is_unwind_due(panicking) {
            scheduler.wake(self, Outcome::Interrupted);
        }
    }

    /// Must it be unwound where it waits, given whether it is panicking there?
    pub(crate) fn is_unwind_due(&self, panicking: bool) -> bool {
        self.unwind.pending.get() != 0
            && !panicking
            && !self.is_in_flight()
            && self.reason().is_some()
    }

    /// Does the runtime unwind it just now?
    pub(crate) fn is_being_unwound(&self) -> bool {
        self.is_in_flight() && !self.unwind.caught.get()
    }

    /// Is the payload of its unwinding alive?
    pub(crate) fn is_in_flight(&self) -> bool {
        let in_flight = self.extra.get().and_then(|extra| extra.in_flight.get());
        in_flight.is_some_and(|in_flight| in_flight.load(Ordering::Relaxed))
    }

    /// Why it must be unwound now, if shields do not hold it off.
    fn reason(&self) -> Option<Reason> {
        let pending = self.unwind.pending.get();
        let shields = self.unwind.shields.get();
        if pending & why::FORCED != 0 || (pending & why::CANCELLED != 0 && shields == 0) {
            return Some(Reason::Thread);
        }
        // The outermost: to unwind an inner one first would only take longer.
        let scopes = self.extra.get()?.scopes.borrow();
        let due = |scope: &&DeadlineScope| scope.elapsed && scope.shields == shields;
        scopes.iter().find(due).map(|scope| Reason::Scope(scope.id))
    }

    /// Unwinds the stack we are on.
    #[cold]
    #[inline(never)]
    pub(crate) fn throw(&self) -> ! {
        if cfg!(panic = "abort") {
            sys::abort(&[
                b"leno: a green thread was cancelled or ran into a deadline, and this program is \
                  built with panic=\"abort\", so its stack cannot be unwound\n\
                  leno: build with panic=\"unwind\"\n",
            ]);
        }
        let extra = self.extra();
        extra.attempts.set(extra.attempts.get() + 1);
        if extra.attempts.get() > MAX_ATTEMPTS {
            sys::abort(&[
                b"leno: a green thread that is being unwound has caught the unwinding and waited \
                  again 1000 times; a loop around catch_unwind must end when it catches a \
                  payload that it does not know\n",
            ]);
        }
        let in_flight = extra.in_flight.get_or_init(Arc::default).clone();
        in_flight.store(true, Ordering::Relaxed);
        let reason = self.reason().unwrap_or(Reason::Thread);
        panic::resume_unwind(Box::new(Unwinding { in_flight, reason }))
    }

    /// Forgets what would unwind a green thread that has ended. Few green threads have
    /// anything to forget.
    #[inline(always)]
    pub(crate) fn forget_unwinding(&self, scheduler: &Scheduler) {
        if self.extra.get().is_some() || self.unwind.pending.get() != 0 {
            self.forget_unwinding_slow(scheduler);
        }
        self.unwind.shields.set(0);
    }

    #[cold]
    #[inline(never)]
    fn forget_unwinding_slow(&self, scheduler: &Scheduler) {
        if let Some(extra) = self.extra.get() {
            // There are some only if a coroutine has carried them off.
            for timer in extra.scopes.take().into_iter().filter_map(|scope| scope.timer) {
                scheduler.timers.borrow_mut().remove(timer);
            }
            extra.attempts.set(0);
        }
        if self.unwind.pending.replace(0) != 0 {
            scheduler.one_less_interrupted();
        }
    }

    /// Holds cancellation and the deadlines around it off, until the matching
    /// `unshield`.
    pub(crate) fn shield(&self) {
        self.unwind.shields.set(self.unwind.shields.get() + 1);
    }

    pub(crate) fn unshield(&self) {
        self.unwind.shields.set(self.unwind.shields.get().saturating_sub(1));
    }

    /// Enters a deadline scope.
    pub(crate) fn enter_scope(&self, id: u64, timer: Option<TimerId>) {
        let shields = self.unwind.shields.get();
        let scope = DeadlineScope { id, timer, elapsed: false, shields };
        self.extra().scopes.borrow_mut().push(scope);
    }

    /// The deadline of a scope has come.
    pub(crate) fn scope_elapsed(&self, id: u64) {
        match self.extra().scopes.borrow_mut().iter_mut().find(|scope| scope.id == id) {
            Some(scope) => scope.elapsed = true,
            None => return,
        }
        self.interrupt(why::ELAPSED);
    }

    /// Leaves a deadline scope, as a rule the one that it entered last.
    pub(crate) fn leave_scope(&self, id: u64) {
        let extra = self.extra();
        let place = extra.scopes.borrow().iter().rposition(|scope| scope.id == id);
        let Some(place) = place else { return };
        let scope = extra.scopes.borrow_mut().remove(place);
        if let Some(timer) = scope.timer {
            self.scheduler().operate_on_clock(Access::Write);
            self.scheduler().timers.borrow_mut().remove(timer);
        }
        let pending = self.unwind.pending.get();
        if pending & why::ELAPSED != 0 && !extra.scopes.borrow().iter().any(|scope| scope.elapsed) {
            self.unwind.pending.set(pending & !why::ELAPSED);
            // What was thrown for it has been caught.
            extra.attempts.set(0);
            if pending == why::ELAPSED {
                self.scheduler().one_less_interrupted();
            }
        }
    }
}

impl ThreadInfo {
    /// See [`ControlBlock::scope_elapsed`].
    pub(crate) fn scope_elapsed(&self, id: u64) {
        if let Some(control) = self.control() {
            control.scope_elapsed(id);
        }
    }

    /// See [`ControlBlock::leave_scope`]. Nothing is left of one that has ended.
    pub(crate) fn leave_scope(&self, id: u64) {
        if let Some(control) = self.control() {
            control.leave_scope(id);
        }
    }

    pub(crate) fn unshield(&self) {
        if let Some(control) = self.control() {
            control.unshield();
        }
    }
}

/// Was this thrown to unwind a green thread as a whole?
pub(crate) fn is_unwinding(payload: &Payload) -> bool {
    let payload: &dyn Any = &**payload;
    payload.is::<Unwinding>() || payload.is::<Cancelled>()
}

/// Was this thrown for the deadline scope with this id?
pub(crate) fn is_of_scope(payload: &Payload, id: u64) -> bool {
    let payload: &dyn Any = &**payload;
    payload
        .downcast_ref::<Unwinding>()
        .is_some_and(|unwinding| unwinding.reason == Reason::Scope(id))
}

/// What `join` gives for a green thread that ended with this payload.
pub(crate) fn for_join(payload: Payload) -> Payload {
    if payload.is::<Unwinding>() { Box::new(Cancelled) } else { payload }
}
