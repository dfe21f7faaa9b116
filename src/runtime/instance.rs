//! Runtimes as values, for programs that run one and for hosts with a loop of their own.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe, Location};
use std::time::Duration;

use super::locals;
use super::next::Choices;
use super::panic_hook;
use super::policy::Policy;
use super::room::Waiting;
use crate::cancel::numbers::ScopeNumbers;
use crate::cancel::unwind;
use crate::driver;
use crate::driver::prefetch::Cold;
#[cfg(feature = "debug")]
use crate::inspect::debug;
use crate::inspect::debugger_table::LENO_DEBUGGER_TABLE;
use crate::inspect::{Cycles, with_room};
use crate::kernel::current::Installed;
use crate::kernel::features::{SchedulerSlots, Upcalls};
use crate::kernel::slow_path::slow;
use crate::kernel::{
    Cancelled, ControlBlock, Owned, Payload, Report, Scheduler, Wait, WaitFor, for_join, is_main,
};
use crate::remote::inbox::{Outside, existing_inbox, read_inbox};
use crate::remote::{Futures, Handle};
use crate::stack;
use crate::sys::panics;
use crate::timer::clock::Clock;
use crate::timer::timers::Timers;

/// A runtime, for programs that have a loop of their own: that of a window system, or a loop around
/// poll(2). Other programs use [`run`](crate::run).
///
/// It belongs to the OS thread that made it. The host calls
/// [`run_until_stalled`](Runtime::run_until_stalled) whenever its descriptor ([`AsFd`]) is readable, and
/// when [`next_deadline`](Runtime::next_deadline) has come. Dropping it cancels the green threads that
/// are left, shielded ones as well, and runs their destructors.
///
/// # Examples
///
/// ```
/// let runtime = leno::Runtime::new();
/// let answer = leno::thread::Builder::new().spawn_on(&runtime, || 42)?;
/// runtime.run_until_stalled();
/// assert_eq!(answer.join().unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    // Boxed: green threads point to both.
    pub(super) main: Box<ControlBlock>,
    pub(super) scheduler: Box<Scheduler>,
    /// The end of the main green thread cancels all others.
    cancels_rest: bool,
}

impl Runtime {
    /// Returns a runtime with these upcalls. Adds what every runtime has to the slots.
    #[track_caller]
    pub(crate) fn with(
        upcalls: Upcalls,
        slots: SchedulerSlots,
        clock: Clock,
        policy: Policy,
        stack_bytes: Option<usize>,
    ) -> Runtime {
        stack::clean_up_after_others();
        stack::watch_caller(is_main);
        panic_hook::install();
        let can_unwind = cfg!(panic = "unwind");
        if can_unwind && !panics::is_searched() && !std::thread::panicking() {
            with_room(panics::search);
        }
        // A table that nothing refers to would not be linked.
        std::hint::black_box(&LENO_DEBUGGER_TABLE);
        let (coarse_time, is_fifo) = (clock.coarse_now(), policy.is_fifo());
        let slots = slots
            .with(Timers::new(clock))
            .with(ScopeNumbers::default())
            .with(Outside::default())
            .with(Futures::default())
            .with(Cycles::default())
            .with(Cold::default())
            .with(Choices::new(policy))
            .with(Waiting::new());
        #[cfg(feature = "debug")]
        let slots = debug::add_states(slots);
        #[cfg(feature = "net")]
        let slots = slots.with(driver::io::Io::default());
        let scheduler = Box::new(Scheduler::new(upcalls, slots, coarse_time, stack_bytes));
        scheduler.set_slow(slow::POLICY, !is_fifo);
        let main = Box::new(ControlBlock::main(&scheduler));
        // SAFETY: the box of the main thread is dropped with the scheduler, or replaced by
        // `renew`.
        unsafe { scheduler.set_main(&raw const *main) };
        Runtime { main, scheduler, cancels_rest: false }
    }

    pub(super) fn set_cancels_rest(&mut self, cancels_rest: bool) {
        self.cancels_rest = cancels_rest;
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Runs `f` as the main green thread, as [`run`](crate::run) does.
    ///
    /// # Panics
    ///
    /// As [`run`](crate::run).
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T,
    {
        let (mut f, mut value) = (Some(f), None);
        self.run_main_out_of_line(&mut || value = f.take().map(|f| f()));
        value.expect("the main green thread has ended")
    }

    /// Does what [`run_main`](Runtime::run_main) does. It is compiled once, and not for each type of
    /// closure.
    #[inline(never)]
    #[track_caller]
    fn run_main_out_of_line(&self, body: &mut dyn FnMut()) {
        self.run_main(body);
    }

    /// Runs `body` as the main green thread, and the others to their end.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn run_main(&self, body: &mut dyn FnMut()) {
        let at = Location::caller();
        // SAFETY: both are boxed in `self`, which is borrowed.
        let installed = unsafe { Installed::new("leno::run", &self.scheduler, &self.main) };
        self.enter();
        let mut panicked = false;
        let result = panic::catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
            panicked = !self.main.is_unwound_by(&payload);
            if panicked {
                self.scheduler.report_failed(&self.main, &payload, true);
            }
            for_join(payload)
        });
        // What follows is tested first, since a run of an exploration is so short that a
        // call which does nothing counts.
        if self.main.has_extra() {
            self.scheduler.report_left(&self.main, result.as_ref().err());
        }
        if self.cancels_rest {
            unwind::cancel_rest(&self.scheduler);
        }
        self.scheduler.wait_for_all(at);
        // What other OS threads have sent until then is not left behind.
        read_inbox(&self.scheduler);
        while self.scheduler.running() > 0 {
            self.scheduler.wait_for_all(at);
            read_inbox(&self.scheduler);
        }
        self.scheduler.uncancel(&self.main);
        if self.main.has_extra() {
            locals::forget(&self.main);
        }
        self.leave(installed);
        // Both are rare, and to take them costs 30 instructions.
        let has_failed = self.scheduler.state::<Choices>().deadlock.borrow().is_some()
            || self.scheduler.failure().borrow().is_some();
        if has_failed || result.is_err() {
            self.failed(result.err(), panicked);
        }
    }

    /// Ends a run after a panic of the main green thread (`panicked`) with this payload, a deadlock or
    /// a panic of the policy.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn failed(&self, payload: Option<Payload>, panicked: bool) {
        // Taken in any case: this runtime may run something else later.
        let deadlock = self.deadlock();
        if let Some(payload) = self.scheduler.failure().take() {
            panic::resume_unwind(payload);
        }
        let passes_on = payload.as_ref().is_some_and(|payload| payload.is::<Cancelled>());
        if panicked && passes_on && !self.scheduler.is_controlled() {
            // No panic hook has told of it.
            eprintln!(
                "leno: the main green thread was not cancelled, and ends with the `Cancelled` of \
                 another green thread"
            );
        }
        match (payload, deadlock) {
            (None, None) => (),
            (Some(payload), None) => panic::resume_unwind(payload),
            (Some(payload), Some(report)) if panicked => {
                // The panic came first and goes on; the report is printed.
                eprintln!("leno: {report}");
                panic::resume_unwind(payload)
            }
            (_, Some(report)) => panic!("{report}"),
        }
    }

    /// Runs green threads until none can go on: all of them wait, for a deadline, for a message from
    /// outside, or for the host. Returns `true` if there are any left.
    ///
    /// With virtual time, a call that finds no thread that can go on lets time jump to the next
    /// deadline: each call takes the green threads one moment further.
    ///
    /// It makes no deadlock report: the host may be about to wake a thread.
    /// [`Builder::report_silence`](crate::Builder::report_silence) reports what each thread waits for, after a time.
    ///
    /// # Panics
    ///
    /// Inside a runtime, this one or another.
    #[track_caller]
    pub fn run_until_stalled(&self) -> bool {
        const FUNCTION: &str = "leno::Runtime::run_until_stalled";
        // SAFETY: both are boxed in `self`, which is borrowed.
        let installed = unsafe { Installed::new(FUNCTION, &self.scheduler, &self.main) };
        self.enter();
        if let Some(inbox) = existing_inbox(&self.scheduler) {
            inbox.has_slept();
        }
        driver::poll(&self.scheduler);
        #[cfg(feature = "net")]
        driver::io::look_now(&self.scheduler);
        if self.scheduler.ready().is_empty() && driver::pass_virtual_time(&self.scheduler) {
            driver::poll(&self.scheduler);
        }
        // Without a thread that can run there is no switch, so a silence goes on.
        if !self.scheduler.ready().is_empty() {
            self.scheduler.block_borrowed(&Wait::new(WaitFor::Stalled));
        }
        driver::note_stall(&self.scheduler);
        self.leave(installed);
        if let Some(payload) = self.scheduler.failure().take() {
            panic::resume_unwind(payload);
        }
        self.scheduler.running() > 0
    }

    /// Returns the time until the next deadline of a green thread: the timeout with which the host
    /// may sleep. Zero if a green thread can run now. `None` if no thread waits for a deadline, and no
    /// silence is to be reported ([`Builder::report_silence`](crate::Builder::report_silence)).
    ///
    /// With virtual time a deadline is zero away, since time passes in
    /// [`run_until_stalled`](Runtime::run_until_stalled); while closures run in
    /// [`unblock`](crate::unblock), or a green thread waits for a socket, there is none.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        driver::patience(&self.scheduler)
    }

    /// Returns a handle for other OS threads.
    ///
    /// # Panics
    ///
    /// If the system has no more descriptors.
    #[must_use]
    #[track_caller]
    pub fn handle(&self) -> Handle {
        Handle::of(&self.scheduler)
    }

    #[track_caller]
    pub(crate) fn spawn_on<F, T>(
        &self,
        stack: Option<usize>,
        name: Option<String>,
        f: F,
    ) -> io::Result<Owned<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        Ok(self.scheduler.spawn(self.scheduler.stack(stack)?, name, Location::caller(), f))
    }

    /// Records that the host has called the runtime.
    #[inline]
    fn enter(&self) {
        if self.scheduler.slow() & slow::TRACE != 0 {
            (self.scheduler.upcalls().report)(&self.scheduler, Report::Entered);
        }
    }

    /// Returns to the host.
    #[inline]
    fn leave(&self, installed: Installed) {
        if self.scheduler.slow() & slow::TRACE != 0 {
            (self.scheduler.upcalls().report)(&self.scheduler, Report::Returns);
        }
        drop(installed);
    }

    /// Takes the report of a deadlock that has been resolved.
    fn deadlock(&self) -> Option<String> {
        self.scheduler.state::<Choices>().deadlock.take()
    }
}

/// The descriptor that becomes readable when there is work: a message from another OS thread, a green
/// thread that the host itself has woken, or a socket that a green thread waits for. It may become
/// readable without work. [`Runtime::run_until_stalled`] makes it unreadable.
impl AsFd for Runtime {
    fn as_fd(&self) -> BorrowedFd<'_> {
        driver::descriptor(&self.scheduler)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.scheduler.running() > 0 {
            // SAFETY: both are boxed in `self`, which exists until this function ends.
            let installed = unsafe { Installed::nested(&self.scheduler, &self.main) };
            self.enter();
            unwind::force_all(&self.scheduler);
            self.scheduler.wait_for_all(self.main.spawned_at());
            self.leave(installed);
            // A deadlock of destructors has been resolved, or has ended the process.
            self.deadlock();
        }
        self.main.retire();
        if let Some(inbox) = existing_inbox(&self.scheduler) {
            inbox.close();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("green_threads", &self.scheduler.running())
            .finish_non_exhaustive()
    }
}
