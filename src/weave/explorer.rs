//! The explorer: the public interface to explorations.

mod run;

use std::time::Duration;

use super::options::{Coverage, Options};
use super::parallel::Workers;
use super::sampling::Method;
#[cfg(feature = "net")]
use crate::driver::io::MemoryNetwork;

/// Explores the executions of a program. Its methods choose which executions are run, and how
/// many.
///
/// # Examples
///
/// ```
/// use leno::weave::Explorer;
///
/// // A thousand executions at random, with switches before every operation.
/// let report = Explorer::new().preemptive().random(7).max_executions(1_000).explore(|| {
///     let total = leno::weave::Shared::new(0);
///     leno::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| total.set(total.get() + 1));
///         }
///     });
///     total.get()
/// });
/// assert_eq!(report.outcomes().keys().copied().collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer runs nothing until `explore`, `find`, `replay` or `check` is called"]
pub struct Explorer {
    options: Options,
}

impl Default for Explorer {
    fn default() -> Explorer {
        Explorer::new()
    }
}

impl Explorer {
    /// Creates an explorer of all executions, with a choice wherever leno switches.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().explore(|| {
    ///     leno::scope(|scope| {
    ///         scope.spawn(leno::yield_now);
    ///         scope.spawn(leno::yield_now);
    ///     });
    /// });
    /// assert_eq!(report.executions(), 6);
    /// ```
    pub fn new() -> Explorer {
        Explorer { options: Options::new() }
    }

    /// Adds a choice before each operation on a primitive of leno or on a
    /// [`Shared`](super::Shared), as if the green threads were OS threads: for algorithms that
    /// are meant for OS threads. Memory is sequentially consistent.
    ///
    /// A green thread that yields lets others go first, as with [`fair`](Explorer::fair).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let program = || {
    ///     let total = Shared::new(0);
    ///     leno::scope(|scope| {
    ///         for _ in 0..2 {
    ///             scope.spawn(|| total.set(total.get() + 1));
    ///         }
    ///     });
    ///     total.into_inner()
    /// };
    /// assert_eq!(Explorer::new().explore(program).outcomes().len(), 1);
    /// assert_eq!(Explorer::new().preemptive().explore(program).outcomes().len(), 2);
    /// ```
    pub fn preemptive(mut self) -> Explorer {
        self.options.rules.preemptive = true;
        self
    }

    /// Makes a green thread that yields repeatedly let the others go first that could have run
    /// meanwhile. Without this, a program with a loop that waits by yielding has executions
    /// without end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().fair().explore(|| {
    ///     let is_done = Cell::new(false);
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| is_done.set(true));
    ///         while !is_done.get() {
    ///             leno::yield_now();
    ///         }
    ///     });
    /// });
    /// assert!(report.is_complete());
    /// ```
    pub fn fair(mut self) -> Explorer {
        self.options.rules.fair = true;
        self
    }

    /// Adds the choice that time passes to the next deadline while a green thread is enabled:
    /// whether a deadline comes before a message is explored. Otherwise time passes when no green
    /// thread can run.
    ///
    /// Time may pass again and again while others could run, so a program with a ticker, or another
    /// loop that waits for one moment after the other, has executions without end: bound the number of
    /// its ticks. [`fair`](Explorer::fair) makes no difference, since such a loop does not yield.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::{Duration, timeout};
    /// use leno::weave::Explorer;
    ///
    /// let program = || timeout(Duration::from_secs(1), leno::yield_now).is_ok();
    /// assert_eq!(Explorer::new().explore(program).outcomes().len(), 1);
    /// assert_eq!(Explorer::new().timed().explore(program).outcomes().len(), 2);
    /// ```
    pub fn timed(mut self) -> Explorer {
        self.options.rules.timed = true;
        self
    }

    /// Explores one execution of each equivalence class (partial-order reduction): of executions
    /// that differ only in the order of independent steps, one is run.
    ///
    /// This is sound if green threads share nothing but primitives of leno and
    /// [`Shared`](super::Shared) values. Other shared state, as in an `Rc<Cell<_>>`, is not
    /// observed, and outcomes may be missed. With [atomics](crate::sync::atomic), several executions
    /// of a class may be run: beyond their common beginning, those of two executions cannot be told
    /// apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let program = || {
    ///     let (one, other) = (Shared::new(0), Shared::new(0));
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| one.set(1));
    ///         scope.spawn(|| other.set(1));
    ///     });
    /// };
    /// assert_eq!(Explorer::new().explore(program).executions(), 2);
    /// assert_eq!(Explorer::new().reduced().explore(program).executions(), 1);
    /// ```
    pub fn reduced(mut self) -> Explorer {
        self.options.coverage = Coverage::Reduced;
        self
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    fn sampled(mut self, method: Method, seed: u64) -> Explorer {
        self.options.coverage = Coverage::Sampled(method, seed);
        self
    }

    /// Draws executions at random, with equal probabilities at each choice. The exploration ends
    /// by [`max_executions`](Explorer::max_executions) or [`max_time`](Explorer::max_time), or
    /// else after 10,000 executions.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().random(1).max_executions(100).explore(|| ());
    /// assert_eq!(report.executions(), 100);
    /// ```
    pub fn random(self, seed: u64) -> Explorer {
        self.sampled(Method::Random, seed)
    }

    /// Draws executions at random, with equal probabilities of all executions as far as can be
    /// told: each green thread is chosen in proportion to the turns that it has left, judged by
    /// the first execution. The distribution is uniform if the number of turns does not depend on
    /// the schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().uniform(1).max_executions(100).explore(|| ());
    /// assert_eq!(report.executions(), 100);
    /// ```
    pub fn uniform(self, seed: u64) -> Explorer {
        self.sampled(Method::Uniform, seed)
    }

    /// Draws executions by probabilistic concurrency testing (PCT, Burckhardt et al., ASPLOS
    /// 2010): the green thread with the highest priority runs; priorities are random, and change
    /// at `depth - 1` random steps. A bug that needs `depth` ordered steps is found in each
    /// execution with a probability of at least 1 / (n k^(depth - 1)), for n green threads and k
    /// steps.
    ///
    /// # Panics
    ///
    /// If `depth` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().pct(1, 2).max_executions(100).explore(|| ());
    /// assert_eq!(report.executions(), 100);
    /// ```
    pub fn pct(self, seed: u64, depth: u32) -> Explorer {
        assert!(depth > 0, "a bug has a depth of at least 1: that some order is needed");
        self.sampled(Method::Pct { depth }, seed)
    }

    /// Draws executions by each method in turn: [`random`](Explorer::random),
    /// [`uniform`](Explorer::uniform), and [`pct`](Explorer::pct) with depths 2 and 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().portfolio(1).max_executions(100).explore(|| ());
    /// assert_eq!(report.executions(), 100);
    /// ```
    pub fn portfolio(self, seed: u64) -> Explorer {
        self.sampled(Method::Portfolio, seed)
    }

    /// Limits the number of executions.
    ///
    /// # Panics
    ///
    /// If `executions` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().max_executions(5).explore(|| {
    ///     leno::scope(|scope| {
    ///         scope.spawn(leno::yield_now);
    ///         scope.spawn(leno::yield_now);
    ///     });
    /// });
    /// assert_eq!(report.executions(), 5);
    /// assert!(!report.is_complete());
    /// ```
    pub fn max_executions(mut self, executions: u64) -> Explorer {
        assert!(executions > 0, "an exploration of no execution finds nothing: allow at least one");
        self.options.max_executions = Some(executions);
        self
    }

    /// Limits the number of steps of an execution; the default is 20,000. A longer execution is a
    /// failure: [`FailureKind::Endless`](super::FailureKind::Endless).
    ///
    /// # Panics
    ///
    /// If `steps` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, FailureKind};
    ///
    /// let report = Explorer::new().max_steps(10).explore(|| {
    ///     (0..20).for_each(|_| leno::yield_now());
    /// });
    /// assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
    /// ```
    pub fn max_steps(mut self, steps: u64) -> Explorer {
        assert!(steps > 0, "an execution without a step does nothing: allow at least one");
        self.options.max_steps = steps;
        self
    }

    /// Limits the time of the exploration: no execution begins after it.
    ///
    /// # Panics
    ///
    /// If `time` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use leno::weave::Explorer;
    ///
    /// let explorer = Explorer::new().random(1).max_time(Duration::from_millis(1));
    /// assert!(explorer.explore(|| ()).executions() > 0);
    /// ```
    pub fn max_time(mut self, time: Duration) -> Explorer {
        assert!(!time.is_zero(), "an exploration needs some time: allow more than none");
        self.options.max_time = Some(time);
        self
    }

    /// Sets a preemption bound: explores only executions with at most `switches` switches away
    /// from a green thread that could go on. Few switches suffice for most bugs, and there are
    /// far fewer such executions (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007).
    /// With a bound, [`reduced`](Explorer::reduced) has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().max_switches(0).explore(|| {
    ///     leno::scope(|scope| {
    ///         scope.spawn(leno::yield_now);
    ///         scope.spawn(leno::yield_now);
    ///     });
    /// });
    /// assert_eq!(report.executions(), 2);
    /// ```
    pub fn max_switches(mut self, switches: u32) -> Explorer {
        self.options.max_switches = Some(switches);
        self
    }

    /// Sets the stack size in bytes of the green threads that do not ask for another size.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().stack_size(1 << 20).explore(|| leno::spawn(|| 1).join().unwrap());
    /// assert_eq!(report.executions(), 1);
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Explorer {
        self.options.stack_bytes = Some(bytes);
        self
    }

    /// Gives each execution a network in memory, which its sockets use. Without one, a call on a socket
    /// fails in an exploration. A schedule is replayed with the same network.
    ///
    /// Each direction of a stream is one object for [`reduced`](Explorer::reduced) explorations, and all
    /// else of the network another one. What may go wrong is an alternative, as the choice of a `select!`
    /// is: [`MemoryNetwork`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{MemoryNetwork, TcpListener, TcpStream};
    /// use leno::weave::Explorer;
    /// use std::io::{Read, Write};
    ///
    /// // Two writers of one stream: what they write may come in either order.
    /// let explorer = Explorer::new().network(MemoryNetwork::new());
    /// let report = explorer.explore(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    ///     let stream = TcpStream::connect("127.0.0.1:80").unwrap();
    ///     let (mut accepted, _) = listener.accept().unwrap();
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| (&stream).write_all(b"a").unwrap());
    ///         scope.spawn(|| (&stream).write_all(b"b").unwrap());
    ///     });
    ///     drop(stream);
    ///     let mut text = String::new();
    ///     accepted.read_to_string(&mut text).unwrap();
    ///     text
    /// });
    /// assert_eq!(report.outcomes().len(), 2);
    /// ```
    #[cfg(feature = "net")]
    pub fn network(mut self, network: MemoryNetwork) -> Explorer {
        self.options.network = Some(network);
        self
    }

    /// Sets whether the terminal shows the progress of an exploration that takes longer than a
    /// second: executions, executions per second, depth, and an estimate of the time left. The
    /// default is `true`. Nothing is shown in [`check`](Explorer::check), since tests run several
    /// at once, or if standard error is no terminal.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().progress(false).explore(|| ());
    /// assert_eq!(report.executions(), 1);
    /// ```
    pub fn progress(mut self, is_shown: bool) -> Explorer {
        self.options.shows_progress = is_shown;
        self
    }

    /// Runs the executions on `count` OS threads, each with a runtime of its own. The report is
    /// the same as with one OS thread, unless a limit ends the exploration.
    ///
    /// A reduced exploration runs on one OS thread: what it tries next depends on all that it has
    /// seen. Drawing [`uniform`](Explorer::uniform)ly or by [`pct`](Explorer::pct) learns from
    /// earlier executions, so several workers draw other executions than one.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let program = || {
    ///     leno::scope(|scope| {
    ///         for _ in 0..3 {
    ///             scope.spawn(leno::yield_now);
    ///         }
    ///     });
    /// };
    /// let report = Explorer::new().workers(2).explore(program);
    /// assert_eq!(report.executions(), 90);
    /// ```
    pub fn workers(self, count: usize) -> Workers {
        assert!(count > 0, "no workers do no work: ask for at least one");
        Workers::new(self.options, count)
    }
}
