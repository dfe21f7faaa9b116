//! Deadline scopes and shields: the parts of a green thread's life in which it is
//! unwound earlier, or not at all.
//!
//! A coroutine may carry the frame of such a part to another green thread, or
//! beyond the end of its own. So what is undone at its end is looked for through
//! the green thread's state, which says whether there still is one.

#![forbid(unsafe_code)]

use crate::timer::deadline_after;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use crate::access::access::Access;
use crate::cancel::panics::is_panicking;
use crate::cancel::unwind;
use crate::kernel::control_block::ControlBlock;
use crate::kernel::current::scheduler;
use crate::kernel::scheduler::Scheduler;
use crate::kernel::thread_info::ThreadInfo;
use crate::kernel::wait_reason::{Outcome, Wait};
use crate::runtime::idle::Target;
use crate::timer::heap::TimerId;

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
    let deadline = deadline_after(scheduler, duration);
    let start =
        |deadline| scheduler.timers.borrow_mut().insert(deadline, Target::scope(control, id));
    let deadline_to_come = deadline.filter(|&deadline| deadline != 0);
    if deadline_to_come.is_some() {
        scheduler.operate_on_clock(Access::Write);
    }
    let timer = deadline_to_come.map(start);
    let breaker = CancelScope { thread: control.thread_state().clone(), id };
    breaker.enclose(control, timer, || {
        if deadline == Some(0) {
            breaker.trip();
        }
        f()
    })
}

/// Ends a part of a green thread's life, as the deadline of [`timeout`] does.
pub(crate) struct CancelScope {
    thread: Rc<ThreadInfo>,
    id: u64,
}

impl CancelScope {
    /// For a part of the caller's life.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub(crate) fn new(function: &'static str) -> CancelScope {
        let scheduler = scheduler(function);
        let thread = scheduler.current().thread_state().clone();
        CancelScope { thread, id: scheduler.next_scope_id() }
    }

    /// Has the part unwound where the green thread waits, or comes to wait. Does
    /// nothing when it is over.
    pub(crate) fn trip(&self) {
        self.thread.scope_elapsed(self.id);
    }

    /// Runs the part; `None` if it was unwound because of the breaker.
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
        control.enter_scope(self.id, timer);
        let result = panic::catch_unwind(AssertUnwindSafe(f));
        self.thread.leave_scope(self.id);
        match result {
            Ok(value) => Some(value),
            Err(payload) if unwind::is_of_scope(&payload, self.id) => None,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

/// Runs `f`, in which the green thread is not unwound because it was cancelled or
/// because a deadline around the shield has come.
#[track_caller]
pub(crate) fn shield<T>(function: &'static str, f: impl FnOnce() -> T) -> T {
    struct Shielded(Rc<ThreadInfo>);
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

/// Blocks in a shield: a cancellation is put off until the next wait. The wait is
/// interrupted only if nothing can wake the thread any more.
pub(crate) fn block_shielded(scheduler: &Scheduler, wait: &Wait<'_>) -> Outcome {
    let control = scheduler.current();
    control.shield();
    // A thread that is forced to end was told of it before it came here.
    let outcome = match control.is_unwind_due(is_panicking()) {
        true => Outcome::Interrupted,
        false => scheduler.block(wait, None),
    };
    control.unshield();
    outcome
}
