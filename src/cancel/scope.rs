//! Cancel scopes and shields: the parts of a green thread's life in which it is unwound earlier,
//! or not at all.
//!
//! A coroutine may carry the frame of such a part to another green thread, or beyond the end of
//! its own. So the end of the part finds the thread through its [`ThreadInfo`], which tells
//! whether the thread still exists.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use super::numbers::next_scope;
use super::unwind;
use crate::kernel::{ControlBlock, Outcome, Scheduler, ThreadInfo, Wait, is_panicking, scheduler};
use crate::timer::heap::TimerId;
use crate::timer::{deadline_after, timers};

/// Runs `f`. Returns `None` if `duration` was over first: then `f` was unwound where it waited,
/// or came to wait later.
///
/// # Panics
///
/// If `f` panics. Outside a runtime.
#[track_caller]
pub(crate) fn timeout<T>(
    function: &'static str,
    duration: Duration,
    f: impl FnOnce() -> T,
) -> Option<T> {
    let scheduler = scheduler(function);
    let scope = CancelScope::new(function);
    let control = scheduler.current();
    let deadline = deadline_after(scheduler, duration);
    let timer = deadline
        .filter(|&deadline| deadline != 0)
        .map(|deadline| timers::start_for_scope(scheduler, control, scope.number, deadline));
    scope.enclose(control, timer, || {
        if deadline == Some(0) {
            scope.cancel();
        }
        f()
    })
}

/// A part of a green thread's life that can be cancelled alone.
pub(crate) struct CancelScope {
    thread: Rc<ThreadInfo>,
    number: u64,
}

impl CancelScope {
    /// Returns a scope for the current thread.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub(crate) fn new(function: &'static str) -> CancelScope {
        let scheduler = scheduler(function);
        CancelScope { thread: scheduler.current().info().clone(), number: next_scope(scheduler) }
    }

    /// Makes the thread leave the scope where it waits, or comes to wait. Does nothing when the
    /// scope has ended.
    pub(crate) fn cancel(&self) {
        if let Some(control) = self.thread.control() {
            unwind::elapse_scope(control, self.number);
        }
    }

    /// Runs `f` in the scope. Returns `None` if the scope was cancelled and `f` was unwound.
    ///
    /// # Panics
    ///
    /// If `f` panics. Outside a runtime.
    pub(crate) fn run<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        self.enclose(scheduler("CancelScope::run").current(), None, f)
    }

    fn enclose<T>(
        &self,
        control: &ControlBlock,
        timer: Option<TimerId>,
        f: impl FnOnce() -> T,
    ) -> Option<T> {
        unwind::enter_scope(control, self.number, timer);
        let result = panic::catch_unwind(AssertUnwindSafe(f));
        let control = self.thread.control();
        let has_elapsed = control.is_some_and(|control| unwind::leave_scope(control, self.number));
        match result {
            Ok(value) => Some(value),
            // A payload may have been kept from a scope of the same number, in another runtime.
            Err(payload) if has_elapsed && unwind::is_of_scope(&payload, self.number) => None,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

/// Runs `f`, in which neither a cancellation nor a deadline around the shield unwinds the thread.
#[track_caller]
pub(crate) fn shield<T>(function: &'static str, f: impl FnOnce() -> T) -> T {
    struct Shielded(Rc<ThreadInfo>);
    impl Drop for Shielded {
        fn drop(&mut self) {
            if let Some(control) = self.0.control() {
                control.cancel_flags().unshield();
            }
        }
    }
    let control = scheduler(function).current();
    control.cancel_flags().shield();
    let _shielded = Shielded(control.info().clone());
    f()
}

/// Blocks in a shield: a cancellation is put off until the next wait. The wait is interrupted
/// only if nothing can wake the thread any more.
pub(crate) fn block_shielded(scheduler: &Scheduler, wait: &Wait<'_>) -> Outcome {
    let control = scheduler.current();
    control.cancel_flags().shield();
    // A thread that is forced to end was told of it before it came here.
    // mistake: relock-unshielded
    let outcome = match unwind::is_due(control, is_panicking()) {
        true => Outcome::Interrupted,
        false => scheduler.block(wait, None),
    };
    control.cancel_flags().unshield();
    outcome
}
