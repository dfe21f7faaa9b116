//! The context switch from one green thread to another, and the yield.
//!
//! Switches are symmetric: a thread that waits or yields goes straight to the next one in the
//! run queue. The scheduler has no context of its own.

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

use super::control_block::ControlBlock;
use super::run_queue::{Runnable, is_multiple_of};
use super::scheduler::Scheduler;
use super::slow_path::SWITCHES_BETWEEN_POLLS;
use crate::arch::{self, StackPointer, Word};
use crate::stack::sanitizer::{self, Bounds};
use crate::sys::cxx;

/// A switch that has begun: the place where the context goes, and the context to enter.
pub(crate) struct Departure {
    context: NonNull<StackPointer>,
    to: StackPointer,
    away: sanitizer::Away,
}

impl Scheduler {
    /// Returns a number that each switch changes.
    #[inline]
    pub(crate) fn switches(&self) -> usize {
        self.pops().map(|pops| pops.load(Ordering::Relaxed)).iter().sum()
    }

    /// Lets every other green thread that can run have a turn.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn yield_now(&self) {
        // Read once: it tells whether a poll is due, and which thread is next.
        let mut head = self.queue().head();
        if is_multiple_of::<SWITCHES_BETWEEN_POLLS>(head) {
            head = self.poll_and_count();
        }
        let pending = if std::thread::panicking() {
            self.yield_while_panicking(Location::caller());
            self.pending()
        } else {
            // SAFETY: `head` has been read above. The context is put in place by `go`, and the
            // current thread is no entry of the queue.
            let departure = match unsafe { self.queue().rotate(head, self.current_ptr()) } {
                // SAFETY: the context goes to the entry of the run queue.
                Some((next, context)) => Some(unsafe { self.depart(context, next) }),
                // No other thread can run. A lock that is handed over meets this at every
                // other yield: without the call, it takes 40 instructions fewer.
                None if !self.is_held() => {
                    self.skip_turn();
                    None
                }
                None => self.yield_slow(Location::caller()),
            };
            match departure {
                // SAFETY: nothing has happened since `depart`.
                Some(departure) => unsafe { self.go(departure) },
                None => self.pending(),
            }
        };
        self.do_pending(pending, true);
    }

    /// Counts a turn of the current thread, which is the only one that can run.
    #[inline(always)]
    pub(super) fn skip_turn(&self) {
        self.queue().skip();
    }

    /// Polls the timers and the inbox, and returns the count of pops after that.
    #[cold]
    #[inline(never)]
    fn poll_and_count(&self) -> usize {
        (self.upcalls().poll)(self);
        self.queue().head()
    }

    /// Yields while the current thread, or a suspended one, is in the middle of a panic.
    #[cold]
    #[inline(never)]
    pub(crate) fn yield_while_panicking(&self, at: &'static Location<'static>) {
        let control = self.current();
        let panics = self.suspend_panic(control);
        self.yield_out_of_line(at);
        self.resume_panic(control, panics);
    }

    #[inline(never)]
    pub(crate) fn yield_out_of_line(&self, at: &'static Location<'static>) {
        if let Some(departure) = self.yield_slow(at) {
            self.complete(departure);
        }
    }

    /// Completes a switch that has just begun, and does the pending work after it.
    #[inline(always)]
    pub(crate) fn complete(&self, departure: Departure) {
        // SAFETY: a departure comes from `depart`, and its caller has chosen the place.
        let pending = unsafe { self.go(departure) };
        self.do_pending(pending, false);
    }

    /// Switches to `next`. Returns the pending work, as [`Scheduler::go`] does.
    ///
    /// # Safety
    ///
    /// `context` must be the place where the current thread's context is looked for when it is
    /// resumed. `next` must not have been entered since it was taken from its place.
    #[inline(always)]
    pub(crate) unsafe fn switch(&self, context: *mut StackPointer, next: Runnable) -> u8 {
        // SAFETY: the caller has chosen the place.
        unsafe {
            let departure = self.depart(context, next);
            self.go(departure)
        }
    }

    /// Enters the context of a departure: the second half of a switch. Returns the work that is
    /// pending when this thread is resumed.
    ///
    /// The pending work travels in the word of the switch: a load after the switch would first
    /// have to load the scheduler's address from the stack.
    ///
    /// # Safety
    ///
    /// Nothing may have happened since [`Scheduler::depart`].
    #[inline(always)]
    unsafe fn go(&self, departure: Departure) -> u8 {
        let Departure { context, to, away } = departure;
        let pending = Word::new(self.pending().into());
        let exceptions = cxx::depart();
        // SAFETY: the run queue holds contexts that nothing has entered since they were saved,
        // and every word that a green thread passes is initialised.
        let pending = unsafe { arch::switch(context.as_ptr(), to, pending).assume_init() };
        cxx::arrive(exceptions);
        self.note_arrival(sanitizer::arrive(Some(away)));
        pending as u8
    }

    /// Makes `next` the current thread: the first half of a switch.
    ///
    /// # Safety
    ///
    /// As for [`Scheduler::switch`]; and the switch must be completed before anything else
    /// happens.
    #[inline(always)]
    pub(crate) unsafe fn depart(&self, context: *mut StackPointer, next: Runnable) -> Departure {
        let bounds = if cfg!(feature = "sanitizer") {
            self.note_departure(self.current_ptr());
            // SAFETY: a thread in the run queue has a control block.
            unsafe { &*next.control() }.bounds().get()
        } else {
            Bounds::UNKNOWN
        };
        self.set_current(next.control());
        // SAFETY: a context goes to an entry of the queue or to a field, which is not null.
        let context = unsafe { NonNull::new_unchecked(context) };
        Departure { context, to: next.context(), away: sanitizer::depart(bounds) }
    }

    /// Begins the first function of a green thread.
    #[inline(always)]
    pub(super) fn arrived(&self, left: Bounds) {
        self.note_arrival(left);
        self.do_pending(self.pending(), true);
    }

    /// Leaves the stack of the current green thread, which has ended, for the next thread. If
    /// nothing joins the thread, the next one frees its stack.
    ///
    /// # Safety
    ///
    /// Nothing on the stack may need dropping.
    #[inline(always)]
    pub(super) unsafe fn leave(&self, control: &ControlBlock, unwanted: bool) -> ! {
        let running = self.running() - 1;
        self.set_running(running);
        if running == 0 {
            self.wake_main_at_its_end();
        }
        if unwanted {
            self.free_when_left(control);
        }
        self.poll_if_due();
        let next = self.next();
        if cfg!(feature = "sanitizer") {
            self.note_departure(ptr::null());
            // SAFETY: a thread in the run queue has a control block.
            sanitizer::depart_for_ever(unsafe { &*next.control() }.bounds().get());
        }
        self.set_current(next.control());
        // SAFETY: the run queue holds contexts that nothing has entered since they were saved,
        // and this thread is in no queue any more.
        unsafe { arch::leave(next.context(), 0, Word::new(self.pending().into())) }
    }
}
