//! Deadline scopes and shields: the parts of a green thread's life in which it is
//! unwound earlier, or not at all.
//!
//! A coroutine may carry the frame of such a part to another green thread, or
//! beyond the end of its own. So what is undone at its end is looked for through
//! the green thread's state, which says whether there still is one.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use super::current::scheduler;
use super::idle::Target;
use super::scheduler::Scheduler;
use super::thread_state::ThreadState;
use super::unwind;
use super::wait::{Outcome, Wait};

/// Runs `f`. Where it waits when `duration` is over, or comes to wait later, it is
/// unwound; `None` says so.
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
    let id = scheduler.next_scope_id();
    let control = scheduler.current();
    let thread = control.thread_state().clone();
    let deadline = scheduler.deadline_after(duration);
    let start =
        |deadline| scheduler.timers.borrow_mut().insert(deadline, Target::scope(control, id));
    control.enter_scope(id, deadline.filter(|&deadline| deadline != 0).map(start));
    if deadline == Some(0) {
        control.scope_elapsed(id);
    }
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    thread.leave_scope(id);
    match result {
        Ok(value) => Some(value),
        Err(payload) if unwind::is_of_scope(&payload, id) => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Runs `f`, in which the green thread is not unwound because it was cancelled or
/// because a deadline around the shield has come.
#[track_caller]
pub(crate) fn shield<T>(function: &'static str, f: impl FnOnce() -> T) -> T {
    struct Shielded(Rc<ThreadState>);
    impl Drop for Shielded {
        fn drop(&mut self) {
            self.0.unshield();
        }
    }
    let control = scheduler(function).current();
    control.shield();
    let _shielded = Shielded(control.thread_state().clone());
    f()
}

impl Scheduler {
    /// As [`Scheduler::block`] in a shield: a cancellation is put off until the
    /// next wait. Only if nothing can wake it any more is it interrupted.
    pub(crate) fn block_shielded(&self, wait: &Wait<'_>) -> Outcome {
        let control = self.current();
        control.shield();
        let outcome = self.block(wait, None);
        control.unshield();
        outcome
    }
}
