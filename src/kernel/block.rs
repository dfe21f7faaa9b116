//! Waiting: the one primitive beneath everything that waits, and what of it needs
//! no wait list.

#![forbid(unsafe_code)]

use std::panic::Location;
use std::ptr;

use crate::access::access::{Access, Object};
use crate::cancel::panics;
use crate::kernel::control_block::ControlBlock;
use crate::kernel::current::interrupted;
use crate::kernel::scheduler::{Scheduler, chore};
use crate::kernel::scope_members::ScopeMembers;
use crate::kernel::wait_reason::{Outcome, Wait, WaitFor};
use crate::runtime::idle::Target;
use crate::timer::heap::TimerId;

impl Scheduler {
    /// Waits until somebody calls [`Scheduler::wake`], or until `deadline`, which
    /// is a moment of the runtime's clock, or 0 for one that has passed: then
    /// others have a turn, but the green thread does not wait.
    ///
    /// It never unwinds by itself: whoever waits takes back what it lent out
    /// first.
    #[inline(always)]
    pub(crate) fn block(&self, wait: &Wait<'_>, deadline: Option<u64>) -> Outcome {
        let control = self.current();
        wait.since.set(self.coarse.get());
        control.wait.set(ptr::from_ref(wait).cast());
        // The switch itself is inlined in every case: a function that is left by a
        // switch returns to where the processor does not expect it.
        let outcome = if deadline.is_none() && !std::thread::panicking() {
            self.block_once(control)
        } else if deadline == Some(0) {
            self.yield_while_panicking(wait.at);
            Outcome::Elapsed
        } else {
            let (timer, panics) = self.begin_timed(control, deadline);
            let outcome = self.block_once(control);
            self.end_timed(control, timer, panics, outcome);
            outcome
        };
        control.wait.set(ptr::null());
        outcome
    }

    #[inline(never)]
    fn begin_timed(
        &self,
        control: &ControlBlock,
        deadline: Option<u64>,
    ) -> (Option<TimerId>, usize) {
        if deadline.is_some() {
            self.operate_on_clock(Access::Write);
        }
        let start = |deadline| self.timers.borrow_mut().insert(deadline, Target::wait(control));
        (deadline.map(start), self.suspend_panic(control))
    }

    #[inline(never)]
    fn end_timed(
        &self,
        control: &ControlBlock,
        timer: Option<TimerId>,
        panics: usize,
        outcome: Outcome,
    ) {
        self.resume_panic(control, panics);
        if let Some(timer) = timer
            && outcome != Outcome::Elapsed
        {
            self.operate_on_clock(Access::Write);
            self.timers.borrow_mut().remove(timer);
        }
    }

    /// Waits, come what may: the caller has lent out its frame.
    pub(crate) fn block_lent(&self, wait: &Wait<'_>) {
        let control = self.current();
        let before = control.lent.replace(true);
        let _ = self.block(wait, None);
        control.lent.set(before);
    }

    /// The current green thread is about to be left. Gives how many panics it is in
    /// the middle of.
    pub(crate) fn suspend_panic(&self, control: &ControlBlock) -> usize {
        let own = panics::suspend();
        control.unwind.set_panicking(own > 0);
        own
    }

    pub(crate) fn resume_panic(&self, control: &ControlBlock, own: usize) {
        control.unwind.set_panicking(false);
        panics::resume(own);
    }

    /// Waits until all green threads of `scope` have ended.
    pub(crate) fn wait_for_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) {
        let wait = Wait::at(WaitFor::Scope(scope), at);
        self.look_at_scope(scope, at);
        while scope.is_running() {
            scope.waiter.enrolled(self, None, || self.block_lent(&wait));
        }
        self.awaited(Object::Scope(scope));
    }

    /// Waits until all green threads of `scope` have ended, or until the caller is
    /// unwound: then it has to come back to wait for them.
    pub(crate) fn join_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) {
        let wait = Wait::at(WaitFor::Scope(scope), at);
        self.look_at_scope(scope, at);
        while scope.is_running() {
            if scope.waiter.wait(self, None, &wait, None).0 == Outcome::Interrupted {
                interrupted();
            }
        }
        self.awaited(Object::Scope(scope));
    }

    fn look_at_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) {
        // If nobody ever was in it, there is no wait.
        if self.chores.get() & chore::OPERATIONS != 0 && scope.first.get() != 0 {
            self.look(Object::Scope(scope), "join", at);
        }
    }

    /// The wait for all users of an object is over.
    fn awaited(&self, object: Object<'_>) {
        if self.is_directed() && self.wants_operations() {
            self.operate_on(object, Access::Await);
        }
    }

    /// Waits until all green threads have ended.
    #[inline]
    pub(crate) fn wait_for_all(&self, at: &'static Location<'static>) {
        let wait = Wait::at(WaitFor::AllEnded, at);
        while self.running.get() > 0 {
            self.block_lent(&wait);
        }
        self.free_dead();
    }

    /// Waits until `target` has ended, or until `deadline`.
    #[inline(always)]
    pub(crate) fn wait_for(
        &self,
        target: &ControlBlock,
        deadline: Option<u64>,
        at: &'static Location<'static>,
    ) -> Outcome {
        self.checkpoint();
        self.wait_for_end(target, deadline, at)
    }

    /// As [`Scheduler::wait_for`], where no green thread is to be unwound.
    #[inline(always)]
    pub(crate) fn wait_for_end(
        &self,
        target: &ControlBlock,
        deadline: Option<u64>,
        at: &'static Location<'static>,
    ) -> Outcome {
        let wait = Wait::at(WaitFor::Join(target), at);
        target.joiner.set(self.current());
        let outcome = self.block(&wait, deadline);
        if outcome != Outcome::Woken && !target.is_finished() {
            target.joiner.set(ptr::null());
        }
        outcome
    }
}
