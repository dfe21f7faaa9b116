//! Yields, and the switch from one green thread to another.

use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::arch::{self, StackPointer, Word};
use crate::kernel::control_block::ControlBlock;
use crate::kernel::run_queue::{Runnable, is_multiple_of};
use crate::kernel::scheduler::{SWITCHES_BETWEEN_POLLS, Scheduler};
use crate::stack::sanitizer::{self, Bounds};

/// A switch that has begun: from where the context goes to where it goes on.
pub(crate) struct Departure {
    context: NonNull<StackPointer>,
    to: StackPointer,
    away: sanitizer::Away,
}

impl Scheduler {
    /// Lets every other green thread that can run have a turn.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn yield_now(&self) {
        // Read once: it tells whether a poll is due, and which thread is next.
        let mut head = self.queue.head();
        if is_multiple_of::<SWITCHES_BETWEEN_POLLS>(head) {
            head = self.poll_and_count();
        }
        let chores = if std::thread::panicking() {
            self.yield_while_panicking(Location::caller());
            self.chores.get()
        } else {
            let departure = match self.queue.rotate(head, self.current.get()) {
                Some((next, context)) => Some(self.depart(context, next)),
                // No other thread can run. A lock that is handed over meets this at every
                // other yield: without the call, it takes 40 instructions fewer.
                None if !self.is_watched() => {
                    self.queue.skip();
                    None
                }
                None => self.yield_slow(Location::caller()),
            };
            match departure {
                // SAFETY: the context goes where the run queue wants it.
                Some(departure) => unsafe { self.go(departure) },
                None => self.chores.get(),
            }
        };
        self.do_chores(chores, true);
    }

    /// Polls the timers and the inbox, and returns the count of pops after that.
    #[cold]
    #[inline(never)]
    fn poll_and_count(&self) -> usize {
        self.poll();
        self.warm_next();
        self.queue.head()
    }

    /// A destructor yields, or somebody else is suspended in one.
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
            // SAFETY: the context goes where the run queue wants it.
            let chores = unsafe { self.go(departure) };
            self.do_chores(chores, false);
        }
    }

    /// Yields where nobody else can run, or where a hook wants to see it. Or says to
    /// whom to switch, and where the context goes.
    #[inline(never)]
    fn yield_slow(&self, at: &'static Location<'static>) -> Option<Departure> {
        match self.next_at_once() {
            Some(next) => next,
            None => self.yield_with_care(at),
        }
    }

    #[cold]
    #[inline(never)]
    fn yield_with_care(&self, at: &'static Location<'static>) -> Option<Departure> {
        if let Some(next) = self.next_where_new() {
            return next;
        }
        if self.is_directed() {
            return self.yield_directed(at);
        }
        self.yield_in_queue();
        None
    }

    /// Goes to the end of the run queue, if anybody else can run.
    #[inline(never)]
    pub(crate) fn yield_in_queue(&self) {
        if self.ready().is_empty() && !self.is_watched() {
            return self.queue.skip();
        }
        let control = self.current();
        self.ready().push(Runnable { context: ptr::null_mut(), control });
        let next = self.next();
        if !ptr::eq(next.control, control) {
            // SAFETY: the context goes where the run queue wants it.
            unsafe { self.switch(self.ready().place_of(control), next) };
        }
        // Before it counts as going on: it may only be shown to a visitor.
        self.do_chores(self.chores.get(), false);
    }

    /// Switches to `next`. Returns the pending chores, as [`Scheduler::go`] does.
    ///
    /// # Safety
    ///
    /// `context` must be where the current green thread's context is looked for
    /// when it is its turn again.
    #[inline(always)]
    pub(crate) unsafe fn switch(&self, context: *mut StackPointer, next: Runnable) -> u8 {
        let departure = self.depart(context, next);
        // SAFETY: as the caller says.
        unsafe { self.go(departure) }
    }

    /// The second half of a switch. Returns the chores that are pending when this thread
    /// goes on.
    ///
    /// They travel in the word of the switch: a load after it would first have to load the
    /// scheduler's address from the stack.
    ///
    /// # Safety
    ///
    /// As for [`Scheduler::switch`]; and nothing has happened since
    /// [`Scheduler::depart`].
    #[inline(always)]
    pub(crate) unsafe fn go(&self, departure: Departure) -> u8 {
        let Departure { context, to, away } = departure;
        let chores = Word::new(self.chores.get().into());
        // SAFETY: the run queue holds contexts that nothing has entered since they were saved,
        // and every word that a green thread passes is initialised.
        let chores = unsafe { arch::switch(context.as_ptr(), to, chores).assume_init() };
        self.note_arrival(sanitizer::arrive(Some(away)));
        chores as u8
    }

    /// The first half of a switch: `next` counts as running.
    #[inline(always)]
    pub(crate) fn depart(&self, context: *mut StackPointer, next: Runnable) -> Departure {
        let bounds = if cfg!(feature = "sanitizer") {
            self.previous.set(self.current.get());
            // SAFETY: whoever is in the queue has a control block.
            unsafe { &*next.control }.bounds.get()
        } else {
            Bounds::UNKNOWN
        };
        self.current.set(next.control);
        // SAFETY: a context is put into a place that there is.
        let context = unsafe { NonNull::new_unchecked(context) };
        Departure { context, to: next.context, away: sanitizer::depart(bounds) }
    }

    /// The stack that was left is where its owner goes on: its own, or that of a
    /// coroutine that it runs.
    #[inline(always)]
    fn note_arrival(&self, left: Bounds) {
        if cfg!(feature = "sanitizer") {
            // SAFETY: whoever was left waits or is in the queue, or is dead and
            // not freed before the chores are done.
            if let Some(previous) = unsafe { self.previous.replace(ptr::null()).as_ref() } {
                previous.bounds.set(left);
            }
        }
    }

    /// A green thread has come to its first function.
    #[inline(always)]
    pub(crate) fn arrived(&self, left: Bounds) {
        self.note_arrival(left);
        self.do_chores(self.chores.get(), true);
    }

    /// The current green thread has ended, and leaves its stack for the next. If
    /// nobody joins it, that one frees it.
    ///
    /// # Safety
    ///
    /// Nothing on the stack may need dropping.
    #[inline(always)]
    pub(crate) unsafe fn leave(&self, control: &ControlBlock, unwanted: bool) -> ! {
        let running = self.running.get() - 1;
        self.running.set(running);
        if running == 0 {
            self.wake_main_at_its_end();
        }
        if unwanted {
            self.free_when_left(control);
        }
        self.warm_sometimes();
        let next = self.next();
        if cfg!(feature = "sanitizer") {
            self.previous.set(ptr::null());
            // SAFETY: whoever is in the queue has a control block.
            sanitizer::depart_for_ever(unsafe { &*next.control }.bounds.get());
        }
        self.current.set(next.control);
        // SAFETY: as in `switch`; this green thread is in no queue any more.
        unsafe { arch::leave(next.context, 0, Word::new(self.chores.get().into())) }
    }
}
