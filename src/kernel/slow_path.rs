//! What makes a switch or a wake take the long way round: a policy, a timeline, a
//! director, a host outside.

#![forbid(unsafe_code)]

use std::ptr;

use crate::arch::StackPointer;
use crate::cancel::unwind;
use crate::kernel::control_block::{ControlBlock, Payload};
use crate::kernel::run_queue::{RunQueue, Runnable};
use crate::kernel::scheduler::Scheduler;

/// What makes a switch or a wake take the long way round, as bits.
pub(crate) mod hook {
    /// Those that want to see every switch.
    pub(crate) const WATCH: u8 = POLICY | TRACE | DIRECTED;
    /// Somebody else than first-come-first-served says who is next.
    pub(crate) const POLICY: u8 = 1;
    /// What happens is recorded.
    pub(crate) const TRACE: u8 = 2;
    /// The runtime does not run: its host must learn that there is work.
    pub(crate) const OUTSIDE: u8 = 4;
    /// Somebody makes all choices.
    pub(crate) const DIRECTED: u8 = 8;
}

impl Scheduler {
    #[cold]
    #[inline(never)]
    pub(crate) fn make_runnable_slow(&self, context: StackPointer, control: &ControlBlock) {
        if self.hooks.get() == hook::DIRECTED {
            self.watched.push(Runnable { context, control });
            return self.ready_directed(control);
        }
        self.ready().push(Runnable { context, control });
        if self.hooks.get() & hook::TRACE != 0 {
            self.trace_ready(control);
        }
        if self.hooks.get() & hook::DIRECTED != 0 {
            self.ready_directed(control);
        }
        if self.hooks.get() & hook::OUTSIDE != 0
            && let Some(inbox) = self.outside.inbox.get()
        {
            inbox.notify();
        }
    }

    /// The closure of `control` was left by unwinding with `payload`. Returns what `join`
    /// gives, and `true` if it was a panic.
    #[inline]
    pub(crate) fn failed<T>(
        &self,
        control: &ControlBlock,
        payload: Payload,
    ) -> (Result<T, Payload>, bool) {
        let (payload, panicked) = self.failed_slow(control, payload);
        (Err(payload), panicked)
    }

    #[cold]
    #[inline(never)]
    fn failed_slow(&self, control: &ControlBlock, payload: Payload) -> (Payload, bool) {
        let panicked = !unwind::is_unwinding(&payload);
        self.trace_failure(control, panicked);
        if panicked {
            self.panicked_directed(control, &payload);
        } else {
            self.unwound_directed(control);
        }
        (unwind::for_join(payload), panicked)
    }

    /// The run queue that is in use.
    #[inline(always)]
    pub(crate) fn ready(&self) -> &RunQueue {
        if self.is_watched() { &self.watched } else { &self.queue }
    }

    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        self.hooks.get() & hook::WATCH != 0
    }

    /// Sets or clears bits of [`hook`].
    #[inline(always)]
    pub(crate) fn set_hooks(&self, hooks: u8, on: bool) {
        let from = self.ready();
        let old = self.hooks.get();
        self.hooks.set(if on { old | hooks } else { old & !hooks });
        let to = self.ready();
        if !ptr::eq(from, to) {
            to.make_room(self.running.get() + 1);
            // An execution of an exploration begins and ends here, with empty queues.
            if !from.is_empty() {
                move_all(from, to);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn move_all(from: &RunQueue, to: &RunQueue) {
    while let Some(runnable) = from.pop() {
        to.push(runnable);
    }
}
