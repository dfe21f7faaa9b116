//! The settings of runtimes.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::instance::Runtime;
use super::policy::Policy;
use super::upcalls::UPCALLS;
#[cfg(feature = "net")]
use crate::driver;
#[cfg(feature = "debug")]
use crate::inspect::debug::{self, Recorder};
use crate::kernel::features::SchedulerSlots;
use crate::remote::inbox::silence;
use crate::stack::DEFAULT_STACK_BYTES;
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
    most_threads: Option<usize>,
    most_stack_bytes: Option<usize>,
    policy: Option<Policy>,
    virtual_time: bool,
    cancels_rest: bool,
    #[cfg(feature = "debug")]
    recorder: Option<Recorder>,
    silence: Option<Duration>,
    #[cfg(feature = "net")]
    engine: Option<driver::io::Engine>,
}

impl Builder {
    /// Returns the default settings: first come, first served; the system's clock; stacks of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES).
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Sets the usable size in bytes of the stacks of green threads that are spawned without a size
    /// of their own; see [`Stack::new`](crate::stack::Stack::new).
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Allows at most this number of green threads at a time, besides the main one. One more is refused
    /// as if there were no memory for its stack: [`thread::Builder::spawn`](crate::thread::Builder::spawn)
    /// returns an error, and [`spawn`](crate::spawn) panics. With
    /// [`wait_for_room`](crate::thread::Builder::wait_for_room), a spawn waits until one has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread::Builder;
    ///
    /// leno::Builder::new().max_threads(1).run(|| {
    ///     let first = Builder::new().spawn(|| ())?;
    ///     let error = Builder::new().spawn(|| ()).unwrap_err();
    ///     assert!(error.to_string().contains("no more than 1 green thread"));
    ///     first.join().unwrap();
    ///     Builder::new().spawn(|| ())?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_threads(mut self, most: usize) -> Builder {
        self.most_threads = Some(most);
        self
    }

    /// Allows at most this number of bytes of stacks: [`used_stack_bytes`](crate::Metrics::used_stack_bytes)
    /// may not become more by a spawn, which is refused otherwise, or waits, as with
    /// [`max_threads`](Builder::max_threads). These are the stacks of all green threads and coroutines of
    /// the OS thread. That of a green thread is in use until the thread has ended and its join handle is
    /// gone. A stack takes some more bytes than its usable size, and memory only for the pages that it
    /// touches.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread::Builder;
    ///
    /// leno::Builder::new().stack_size(64 << 10).max_stack_bytes(200 << 10).run(|| {
    ///     let first = Builder::new().spawn(|| ())?;
    ///     let error = Builder::new().stack_size(160 << 10).spawn(|| ()).unwrap_err();
    ///     assert!(error.to_string().contains("no more than 204800 bytes of stacks"));
    ///     first.join().unwrap();
    ///     Builder::new().stack_size(160 << 10).spawn(|| ())?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_stack_bytes(mut self, most: usize) -> Builder {
        self.most_stack_bytes = Some(most);
        self
    }

    /// Sets the policy: which green thread runs next when several can.
    pub fn policy(mut self, policy: Policy) -> Builder {
        self.policy = Some(policy);
        self
    }

    /// Makes time virtual: it stands still while a green thread runs, and jumps to the next deadline
    /// when all of them wait. It begins at the same moment in every run. While closures run in
    /// [`unblock`](crate::unblock), or a green thread waits for a socket, it waits for them. If a socket
    /// alone has kept it waiting for a second, a report on standard error says so once.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Cancels the green threads that are left when the closure of [`run`](Runtime::run) ends, as
    /// [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel) does. Without this, `run` waits
    /// for them, for ever if one of them loops. With [`std::thread`], the end of `main` ends the
    /// process and all threads.
    ///
    /// Their destructors run, and a [`shield`](crate::thread::shield) holds the cancellation off;
    /// `run` returns after that. What destructors or other OS threads spawn meanwhile is not
    /// cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, lines) = leno::channel::unbounded();
    /// let first = leno::Builder::new().cancel_rest().run(|| {
    ///     // A worker without an end.
    ///     leno::spawn(move || {
    ///         for number in 0.. {
    ///             sender.send(number).unwrap();
    ///             leno::yield_now();
    ///         }
    ///     });
    ///     lines.recv()
    /// });
    /// assert_eq!(first, Ok(0));
    /// ```
    pub fn cancel_rest(mut self) -> Builder {
        self.cancels_rest = true;
        self
    }

    /// Records the whole run, from before the first green thread.
    #[cfg(feature = "debug")]
    pub fn recorder(mut self, recorder: &Recorder) -> Builder {
        self.recorder = Some(recorder.clone());
        self
    }

    /// Prints a report to standard error when no green thread could run for this time, and no deadline
    /// is set: what each of them waits for, the lines that made the [`Handle`](crate::Handle)s which
    /// exist, and the number of wakers that are elsewhere. Each silence is reported once.
    ///
    /// Without a handle and a waker outside, such a runtime ends with the report of a deadlock. With
    /// one it waits, since it cannot know whether anything will come: a green thread may hold the last
    /// handle itself, and a timer of another library may need the OS thread that the runtime keeps
    /// waiting. Green threads that wait for each other in a cycle are reported without this setting.
    ///
    /// In a loop of the host ([`Runtime::run_until_stalled`]), where there is no report of a deadlock,
    /// a silence may end by the host, too. [`Runtime::next_deadline`] includes the time until the
    /// report, and a call of `run_until_stalled` after it prints the report.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Duration;
    ///
    /// let builder = leno::Builder::new().report_silence(Duration::from_secs(10));
    /// assert_eq!(builder.run(|| 1), 1);
    /// ```
    pub fn report_silence(mut self, after: Duration) -> Builder {
        self.silence = Some(after);
        self
    }

    /// Sets how the runtime waits for sockets. The default is the environment variable `LENO_IO`, `uring`
    /// or `epoll`, or else epoll if a host polls the runtime, or else io_uring where the system allows it. If the system refuses what was
    /// chosen, the first call that waits for a socket fails.
    #[cfg(feature = "net")]
    pub fn engine(mut self, engine: driver::io::Engine) -> Builder {
        self.engine = Some(engine);
        self
    }

    /// Makes the runtime.
    #[track_caller]
    pub fn build(self) -> Runtime {
        let clock = if self.virtual_time { Clock::simulated() } else { Clock::Real };
        let policy = self.policy.unwrap_or_else(Policy::fifo);
        let slots = SchedulerSlots::new();
        // A size that is given takes the path on which the limit is looked at.
        let limited = self.most_threads.or(self.most_stack_bytes).map(|_| DEFAULT_STACK_BYTES);
        let stack_bytes = self.stack_bytes.or(limited);
        let mut runtime = Runtime::with(UPCALLS, slots, clock, policy, stack_bytes);
        runtime.scheduler().most_threads().set(self.most_threads.unwrap_or(usize::MAX));
        runtime.scheduler().most_stack_bytes().set(self.most_stack_bytes.unwrap_or(usize::MAX));
        #[cfg(feature = "net")]
        driver::io::set_engine(runtime.scheduler(), self.engine);
        runtime.set_cancels_rest(self.cancels_rest);
        if let Some(after) = self.silence {
            silence(runtime.scheduler()).set_limit(after);
        }
        #[cfg(feature = "debug")]
        debug::begin(runtime.scheduler(), self.recorder.as_ref());
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

impl Runtime {
    /// Returns a runtime with the settings of [`Builder::new`].
    #[track_caller]
    #[must_use]
    pub fn new() -> Runtime {
        Builder::new().build()
    }
}

impl Default for Runtime {
    fn default() -> Runtime {
        Runtime::new()
    }
}
