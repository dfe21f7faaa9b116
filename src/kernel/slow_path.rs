//! Flags that take a switch, a wake or a wait off the fast path.
//!
//! There are two bytes of them. The pending work is tested after each switch: it travels in the
//! word of the switch. The slow flags are tested where a thread becomes runnable; those that
//! concern switches hold the run queue back, so that a yield finds it empty and needs no test
//! of its own.

use std::cell::Cell;
use std::panic::Location;
use std::ptr;

use super::context_switch::Departure;
use super::control_block::ControlBlock;
use super::features::{Cause, Report};
use super::run_queue::{RunQueue, Runnable};
use super::scheduler::Scheduler;
use crate::arch::StackPointer;
use crate::sys;

/// Work that is pending for the thread that the next switch resumes, as bits.
pub(crate) mod pending {
    /// A thread that nothing joins has left its stack, which is to be freed.
    pub(crate) const FREE_DEAD: u8 = 1;
    /// Some thread is to be unwound.
    pub(crate) const UNWIND: u8 = 2;
    /// The resumed thread shows its stack to a visitor, and switches back.
    pub(crate) const SHOW_STACK: u8 = 4;
    /// Accesses to shared state are observed. This flag stays.
    pub(crate) const OBSERVED: u8 = 8;
    /// A thread waits for room for another one.
    pub(crate) const ROOM: u8 = 16;
    /// All of them that are work, and are cleared once it is done.
    pub(crate) const WORK: u8 = FREE_DEAD | UNWIND | SHOW_STACK | ROOM;
}

/// What takes a wake, and perhaps each switch, off the fast path, as bits.
pub(crate) mod slow {
    /// The flags that hold the run queue back.
    pub(crate) const HOLD: u8 = POLICY | TRACE | CONTROLLED;
    /// A policy other than first come, first served chooses the next thread.
    pub(crate) const POLICY: u8 = 1;
    /// What happens is recorded.
    pub(crate) const TRACE: u8 = 2;
    /// The runtime does not run: its host must learn that there is work.
    pub(crate) const OUTSIDE: u8 = 4;
    /// A controller makes all choices.
    pub(crate) const CONTROLLED: u8 = 8;
}

/// The number of switches after which the timers and the inbox are looked at, even if a thread
/// can run all the time. A power of two.
pub(crate) const SWITCHES_BETWEEN_POLLS: usize = 64;

impl Scheduler {
    #[cold]
    #[inline(never)]
    pub(super) fn make_runnable_slow(&self, context: StackPointer, control: &ControlBlock) {
        // SAFETY: the caller has the context of a thread that waits or has not begun.
        // `spawn_unchecked` and `set_slow` have made room for every running thread.
        unsafe { self.ready().push(Runnable::new(context, control)) };
        (self.upcalls().woken)(self, control);
    }

    /// Yields where the run queue is held back.
    #[inline(always)]
    pub(super) fn yield_slow(&self, at: &'static Location<'static>) -> Option<Departure> {
        (self.upcalls().yielded)(self, at)
    }

    /// Moves the current thread to the end of the run queue, if another thread can run.
    #[inline(never)]
    pub(crate) fn yield_in_queue(&self) {
        if self.ready().is_empty() && !self.is_held() {
            return self.skip_turn();
        }
        let control = self.current();
        // SAFETY: there is room for every running thread and for the main one, and the context
        // is put in place by the switch below, before the entry can be popped. If this thread
        // is the next, the entry is popped and not switched to.
        unsafe { self.ready().push_place(control) };
        let next = self.next();
        if !ptr::eq(next.control(), control) {
            let place = self.ready().place_of(control);
            // SAFETY: the context goes to the entry of the run queue.
            unsafe { self.switch(place, next) };
        }
        // Before the thread goes on: it may have been resumed only to show its stack.
        self.do_pending(self.pending(), false);
    }

    /// Returns the run queue that is in use.
    #[inline(always)]
    pub(crate) fn ready(&self) -> &RunQueue {
        if self.is_held() { self.held_queue() } else { self.queue() }
    }

    /// Returns `true` in a controlled run, even once its controller has ended it.
    #[inline(always)]
    pub(crate) fn is_controlled(&self) -> bool {
        self.slow() & slow::CONTROLLED != 0
    }

    /// Runs `f`. What it does to threads is caused by `cause`.
    pub(crate) fn caused_by<T>(&self, cause: Cause, f: impl FnOnce() -> T) -> T {
        let before = self.cause().replace(Some(cause));
        let result = f();
        self.cause().set(before);
        result
    }

    /// Prints `text` and ends the process.
    pub(crate) fn abort(&self, text: &[u8]) -> ! {
        sys::abort(&[b"leno: ", text])
    }

    /// Chooses one of `count` alternatives: by the controller, or at random.
    pub(crate) fn alternative(&self, count: usize) -> usize {
        let chosen = Cell::new(0);
        if count > 1 {
            (self.upcalls().report)(self, Report::Choose { count, chosen: &chosen });
        }
        chosen.get()
    }

    /// Returns `true` if the run queue is held back.
    #[inline(always)]
    pub(crate) fn is_held(&self) -> bool {
        self.slow() & slow::HOLD != 0
    }

    /// Sets or clears bits of [`slow`].
    #[inline(always)]
    pub(crate) fn set_slow(&self, flags: u8, on: bool) {
        let from = self.ready();
        let old = self.slow();
        self.store_slow(if on { old | flags } else { old & !flags });
        let to = self.ready();
        if !ptr::eq(from, to) {
            to.make_room(self.running() + 1);
            // An execution of an exploration begins and ends here, with empty queues.
            if !from.is_empty() {
                move_all(from, to);
            }
            if self.is_held() {
                // A yield looks there when to poll, and must not do so each time.
                self.queue().skip_a_poll::<SWITCHES_BETWEEN_POLLS>();
            }
        }
    }
}

#[cold]
#[inline(never)]
fn move_all(from: &RunQueue, to: &RunQueue) {
    while let Some(runnable) = from.pop() {
        // SAFETY: `set_slow` has made room for every running thread.
        unsafe { to.push(runnable) };
    }
}
