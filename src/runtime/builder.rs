//! Runtimes as values: settings, and driving one from somebody else's loop.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe, Location};
use std::time::Duration;

use crate::cancel::unwind;
use crate::inspect::trace::Recorder;
use crate::kernel::control_block::ControlBlock;
use crate::kernel::current::Installed;
use crate::kernel::scheduler::Scheduler;
use crate::kernel::slow_path::hook;
use crate::kernel::wait_reason::{Wait, WaitFor};
use crate::remote::handle::Handle;
use crate::remote::inbox::Job;
use crate::runtime::policy::Policy;
use crate::runtime::spawn::Spawned;
use crate::stack::{self, Stack};
use crate::timer::clock::Clock;

/// Settings for a runtime.
///
/// # Examples
///
/// A program that sleeps for a day, in no time:
///
/// ```
/// use leno::time::{Duration, Instant};
///
/// leno::Builder::new().virtual_time().run(|| {
///     let start = Instant::now();
///     leno::sleep(Duration::from_secs(86_400));
///     assert_eq!(start.elapsed(), Duration::from_secs(86_400));
/// });
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder makes nothing until `build` or `run` is called"]
pub struct Builder {
    stack_bytes: Option<usize>,
    policy: Option<Policy>,
    virtual_time: bool,
    pub(crate) recorder: Option<Recorder>,
}

impl Builder {
    /// First come, first served; the system's clock; stacks of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES).
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The usable size in bytes of the stacks of green threads that do not ask
    /// for another; see [`Stack::new`].
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Who runs next when several green threads can.
    pub fn policy(mut self, policy: Policy) -> Builder {
        self.policy = Some(policy);
        self
    }

    /// Time that stands still while a green thread runs, and that jumps to the
    /// next deadline when all of them wait. It begins at the same moment in every
    /// run. While closures run in [`unblock`](crate::unblock), it waits for them.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Makes the runtime.
    #[track_caller]
    pub fn build(self) -> Runtime {
        let clock = if self.virtual_time { Clock::simulated() } else { Clock::Real };
        let policy = self.policy.unwrap_or_else(Policy::fifo);
        let runtime = Runtime::with(clock, policy, self.stack_bytes);
        if let Some(recorder) = &self.recorder {
            runtime.scheduler.start_recording(recorder);
        }
        runtime
    }

    /// Makes a runtime and runs `f` on it; see [`run`](crate::run).
    ///
    /// # Panics
    ///
    /// As [`run`](crate::run).
    #[track_caller]
    pub fn run<F, T>(self, f: F) -> T
    where
        F: FnOnce() -> T,
    {
        self.build().run(f)
    }
}

/// A runtime, for programs that have a loop of their own: a window system's, or
/// one around poll(2). Others want [`run`](crate::run).
///
/// It belongs to the OS thread that made it. The host calls
/// [`run_until_stalled`](Runtime::run_until_stalled) whenever its descriptor
/// ([`AsFd`]) is readable, and when [`next_deadline`](Runtime::next_deadline) has
/// come.
///
/// Dropping it cancels the green threads that are left, shielded ones as well,
/// and runs their destructors.
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
    pub(crate) main: Box<ControlBlock>,
    pub(crate) scheduler: Box<Scheduler>,
}

impl Runtime {
    /// A runtime with the settings of [`Builder::new`].
    #[track_caller]
    #[must_use]
    pub fn new() -> Runtime {
        Builder::new().build()
    }

    #[track_caller]
    pub(crate) fn with(clock: Clock, policy: Policy, stack_bytes: Option<usize>) -> Runtime {
        stack::clean_up_after_others();
        let scheduler = Box::new(Scheduler::new(clock, policy, stack_bytes));
        let main = Box::new(ControlBlock::main(&scheduler));
        scheduler.main.set(&raw const *main);
        Runtime { main, scheduler }
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
        let at = Location::caller();
        let installed = Installed::new("leno::run", &self.scheduler, &self.main);
        let result = panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
            if !unwind::is_unwinding(&payload) {
                self.scheduler.panicked_directed(&self.main, &payload);
            }
            unwind::for_join(payload)
        });
        // What follows is tested first, since a run of an exploration is so short that a
        // call which does nothing counts.
        if self.main.extra.get().is_some() {
            self.main.drop_locals(&self.scheduler);
        }
        self.scheduler.wait_for_all(at);
        // What other OS threads have sent until then is not left behind.
        if self.scheduler.outside.inbox.get().is_some() {
            self.scheduler.read_inbox();
        }
        while self.scheduler.running.get() > 0 {
            self.scheduler.wait_for_all(at);
            self.scheduler.read_inbox();
        }
        self.main.forget_unwinding(&self.scheduler);
        self.main.forget_locals();
        drop(installed);
        // Taken in any case: this runtime may run something else later.
        let deadlock = self.scheduler.deadlock.take();
        if let Some(payload) = self.scheduler.failure.take() {
            panic::resume_unwind(payload);
        }
        match (result, deadlock) {
            (Ok(value), None) => value,
            (Err(payload), None) => panic::resume_unwind(payload),
            (Err(payload), Some(report)) if !unwind::is_unwinding(&payload) => {
                // The first thing that went wrong goes on; the other is not
                // hushed up.
                eprintln!("leno: {report}");
                panic::resume_unwind(payload)
            }
            (_, Some(report)) => panic!("{report}"),
        }
    }

    /// Runs green threads until none can go on: all of them wait, for a deadline,
    /// for word from outside, or for the host. Says whether there are any left.
    ///
    /// With virtual time, a call that finds none that can go on lets time jump to
    /// the next deadline: each call takes the green threads one moment further.
    ///
    /// It makes no deadlock report: the host may have something in mind.
    ///
    /// # Panics
    ///
    /// Inside a runtime, this one or another.
    #[track_caller]
    pub fn run_until_stalled(&self) -> bool {
        const FUNCTION: &str = "leno::Runtime::run_until_stalled";
        let installed = Installed::new(FUNCTION, &self.scheduler, &self.main);
        if let Some(inbox) = self.scheduler.outside.inbox.get() {
            inbox.has_slept();
        }
        self.scheduler.poll();
        if self.scheduler.ready().is_empty() {
            self.scheduler.pass_virtual_time();
        }
        self.scheduler.block_lent(&Wait::new(WaitFor::Stalled));
        drop(installed);
        if let Some(payload) = self.scheduler.failure.take() {
            panic::resume_unwind(payload);
        }
        self.scheduler.running.get() > 0
    }

    /// How long until the next deadline of a green thread comes: the timeout with
    /// which the host may sleep. Zero if a green thread can run now. `None` if
    /// nobody waits for a deadline.
    ///
    /// With virtual time a deadline is zero away, since time passes in
    /// [`run_until_stalled`](Runtime::run_until_stalled); while closures run in
    /// [`unblock`](crate::unblock), there is none.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.scheduler.patience()
    }

    /// A handle for other OS threads.
    ///
    /// # Panics
    ///
    /// If the system has no more descriptors.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of(&self.scheduler)
    }

    pub(crate) fn spawn_on<F, T>(
        &self,
        stack: Option<usize>,
        name: Option<String>,
        f: F,
    ) -> io::Result<Spawned<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        Ok(self.scheduler.spawn(self.scheduler.stack(stack)?, name, f))
    }
}

/// The descriptor that becomes readable when there is work: word from another OS
/// thread, or a green thread that the host itself has woken. It may be readable
/// once for nothing. [`Runtime::run_until_stalled`] makes it unreadable.
impl AsFd for Runtime {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.scheduler.inbox().descriptor()
    }
}

impl Default for Runtime {
    fn default() -> Runtime {
        Runtime::new()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.scheduler.running.get() > 0 {
            let at = self.main.spawned_at;
            let installed = Installed::for_now(&self.scheduler, &self.main);
            self.scheduler.unwind_all();
            self.scheduler.wait_for_all(at);
            drop(installed);
            // A deadlock of destructors has been resolved, or has ended the
            // process.
            self.scheduler.deadlock.take();
        }
        self.main.retire();
        if let Some(inbox) = self.scheduler.outside.inbox.get() {
            inbox.close();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("green_threads", &self.scheduler.running.get())
            .finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Takes a stack of `bytes` bytes, or of the runtime's default size.
    #[inline(always)]
    pub(crate) fn stack(&self, bytes: Option<usize>) -> io::Result<Stack> {
        if self.hooks.get() == 0
            && bytes.or(self.stack_bytes).is_none()
            && let Some(stack) = Stack::free_of_default_size()
        {
            return Ok(stack);
        }
        self.stack_with_care(bytes)
    }

    #[inline(never)]
    fn stack_with_care(&self, bytes: Option<usize>) -> io::Result<Stack> {
        if self.hooks.get() & hook::DIRECTED != 0 {
            self.may_spawn()?;
        }
        match bytes.or(self.stack_bytes) {
            None => Stack::with_default_size(),
            Some(bytes) => Stack::new(bytes),
        }
    }

    /// Spawns what another OS thread has sent.
    pub(crate) fn spawn_job(&self, job: Job) {
        match self.stack(None) {
            Ok(stack) => drop(self.spawn(stack, None, job)),
            Err(error) => {
                // Nobody may switch here, and nothing may unwind.
                let dropped = self.apart(|| drop(job));
                std::mem::forget(dropped);
                let _ = writeln!(
                    io::stderr(),
                    "leno: a green thread that another OS thread wanted was not spawned: {error}"
                );
            }
        }
    }
}
