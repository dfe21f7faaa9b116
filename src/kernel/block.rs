//! Blocking: the one primitive beneath everything that waits.

use std::panic::Location;
use std::ptr::{self, NonNull};

use super::control_block::{ControlBlock, State};
use super::current::panics;
use super::features::{Access, At, Object, Report};
use super::run_queue::Runnable;
use super::scheduler::Scheduler;
use super::slow_path::SWITCHES_BETWEEN_POLLS;
use super::wait_reason::{Outcome, ScopeMembers, Wait, WaitFor};
use crate::arch::StackPointer;

impl Scheduler {
    /// Blocks the current thread until [`Scheduler::wake`] ends the wait, or until `deadline`, a
    /// moment of the runtime's clock in nanoseconds. If the deadline has passed, as one of 0 has,
    /// other threads have a turn and the thread does not wait: nothing is handed over to it.
    ///
    /// The time is that of [`Scheduler::coarse_time`]. With a real clock, a caller that waits
    /// again with the deadline of an earlier wait refreshes it before.
    ///
    /// It does not unwind: the caller takes back what it has lent out, and then calls
    /// `cancel::interrupted`.
    #[inline(always)]
    pub(crate) fn block(&self, wait: &Wait<'_>, deadline: Option<u64>) -> Outcome {
        let control = self.current();
        wait.since().set(self.coarse_time());
        // SAFETY: cleared below, before the wait goes away.
        unsafe { control.set_wait(wait) };
        // The switch itself is inlined in every case: a function that is left by a switch
        // returns to where the processor's return predictor does not expect it.
        let outcome = if deadline.is_none() && !std::thread::panicking() {
            self.block_once(control)
        } else if deadline.is_some_and(|deadline| deadline <= self.coarse_time()) {
            // mistake: elapsed-without-turn
            self.give_turn(wait);
            Outcome::Elapsed
        } else {
            let (timer, panics) = self.begin_timed(control, deadline);
            let outcome = self.block_once(control);
            self.end_timed(control, timer, panics, outcome);
            outcome
        };
        control.clear_wait();
        outcome
    }

    #[inline(always)]
    fn block_once(&self, control: &ControlBlock) -> Outcome {
        control.set_state(State::Waiting);
        let next = if self.queue().has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            None
        } else {
            self.queue().pop()
        };
        let departure = match next {
            Some(next) => Some((control.context().as_ptr(), next)),
            None => {
                // Only the choice is a call, since its two words come back in registers.
                let next = self.next_with_care();
                if control.state() == State::Waiting {
                    Some((control.context().as_ptr(), next))
                } else {
                    self.place_of_woken(control, next).map(|place| (place.as_ptr(), next))
                }
            }
        };
        let pending = if let Some((context, next)) = departure {
            // SAFETY: a waiting thread keeps its context in its control block, and a thread in
            // the run queue keeps it in its entry.
            unsafe { self.switch(context, next) }
        } else {
            self.pending()
        };
        self.do_pending(pending, false);
        control.outcome()
    }

    /// Returns the next thread to run after one that waits. That may be the same thread.
    #[inline(never)]
    fn next_with_care(&self) -> Runnable {
        self.poll_if_due();
        self.next()
    }

    /// Returns the place for the context of `control`, which waited, and was woken by the poll or
    /// while there was no thread that could run. Returns `None` if it is itself the next to run.
    #[cold]
    #[inline(never)]
    fn place_of_woken(
        &self,
        control: &ControlBlock,
        next: Runnable,
    ) -> Option<NonNull<StackPointer>> {
        if ptr::eq(next.control(), control) {
            return None;
        }
        NonNull::new(self.ready().place_of(control))
    }

    /// Lets other threads have a turn in place of a wait with a deadline that has passed.
    #[cold]
    #[inline(never)]
    fn give_turn(&self, wait: &Wait<'_>) {
        if self.is_observed() {
            // Before the deadline, the thread would have waited.
            (self.upcalls().report)(self, Report::Also(Object::Clock, Access::Read));
        }
        self.yield_while_panicking(wait.line());
    }

    #[inline(never)]
    fn begin_timed(&self, control: &ControlBlock, deadline: Option<u64>) -> (Option<u64>, usize) {
        let timer = deadline.map(|deadline| (self.upcalls().arm)(self, control, deadline));
        (timer, self.suspend_panic(control))
    }

    #[inline(never)]
    fn end_timed(
        &self,
        control: &ControlBlock,
        timer: Option<u64>,
        panics: usize,
        outcome: Outcome,
    ) {
        self.resume_panic(control, panics);
        if let Some(timer) = timer
            // mistake: timer-goes-on
            && outcome != Outcome::Elapsed
        {
            (self.upcalls().disarm)(self, timer);
        }
    }

    /// Blocks while other threads use the frame of the current one. Neither a deadline nor a
    /// cancellation ends the wait. Inlined as [`Scheduler::block`] is: each call on the way to a
    /// switch takes a frame.
    #[inline(always)]
    pub(crate) fn block_borrowed(&self, wait: &Wait<'_>) {
        let control = self.current();
        let before = control.borrow_frame(true);
        let _ = self.block(wait, None);
        control.borrow_frame(before);
    }

    /// Notes that the current thread is about to be left. Returns the number of panics that it
    /// is in the middle of.
    pub(super) fn suspend_panic(&self, control: &ControlBlock) -> usize {
        let own = panics::suspend();
        // mistake: panicking-unwound
        control.cancel_flags().set_panicking(own > 0);
        own
    }

    pub(super) fn resume_panic(&self, control: &ControlBlock, own: usize) {
        control.cancel_flags().set_panicking(false);
        panics::resume(own);
    }

    /// Blocks until all threads of `scope` have ended.
    pub(crate) fn wait_for_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) {
        let wait = Wait::at(WaitFor::Scope(scope), at);
        self.count_wait_for_threads();
        self.look_at_scope(scope, at);
        while scope.is_running() {
            scope.waiter().enrolled(self, None, || self.block_borrowed(&wait));
        }
        self.end_look(scope);
    }

    /// Blocks until all threads of `scope` have ended. Returns `false` if the current thread is
    /// interrupted before: then it has to come back to wait for them.
    pub(crate) fn join_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) -> bool {
        let wait = Wait::at(WaitFor::Scope(scope), at);
        self.count_wait_for_threads();
        self.look_at_scope(scope, at);
        while scope.is_running() {
            if scope.waiter().wait(self, None, &wait, None).0 == Outcome::Interrupted {
                return false;
            }
        }
        self.end_look(scope);
        true
    }

    fn look_at_scope(&self, scope: &ScopeMembers, at: &'static Location<'static>) {
        // Without a thread in the scope, there is no wait.
        if self.is_observed() && scope.number().get() != 0 {
            let object = Object::Scope(scope);
            (self.upcalls().access)(self, object, Access::Look, "join", At::Look(at));
        }
    }

    fn end_look(&self, scope: &ScopeMembers) {
        if self.is_observed() {
            (self.upcalls().report)(self, Report::Also(Object::Scope(scope), Access::Await));
        }
    }

    /// Blocks until all green threads have ended.
    #[inline(always)]
    pub(crate) fn wait_for_all(&self, at: &'static Location<'static>) {
        if self.running() > 0 || self.has_dead() {
            self.wait_for_some(at);
        }
    }

    #[inline(never)]
    fn wait_for_some(&self, at: &'static Location<'static>) {
        let wait = Wait::at(WaitFor::AllEnded, at);
        while self.running() > 0 {
            self.block_borrowed(&wait);
        }
        self.free_dead();
    }

    /// Blocks until `target` has ended, or until `deadline`.
    #[inline(always)]
    pub(crate) fn wait_for_end(
        &self,
        target: &ControlBlock,
        deadline: Option<u64>,
        at: &'static Location<'static>,
    ) -> Outcome {
        let wait = Wait::at(WaitFor::Join(target), at);
        self.count_wait_for_threads();
        // SAFETY: taken back below, before this thread goes on.
        unsafe { target.set_joiner(self.current()) };
        let outcome = self.block(&wait, deadline);
        if outcome != Outcome::Woken && !target.is_finished() {
            // SAFETY: no thread waits.
            unsafe { target.set_joiner(ptr::null()) };
        }
        outcome
    }
}
