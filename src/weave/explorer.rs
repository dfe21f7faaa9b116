//! Explorations: which executions are run, and how many.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::run_loop::{Ended, outside_of_runtimes};
use super::controller::Strategy;
use super::failure::{Failure, FailureKind};
use super::replay::Replay;
use super::report::Report;
use super::sampling::Kind;
use super::schedule::{Rules, Schedule};
use super::executor::Ran;

/// An execution may have so many steps if nothing else is said. A program without
/// end is found out after about as many executions, each one step longer than the
/// one before.
const DEFAULT_MAX_STEPS: u64 = 20_000;

/// Says which executions of a program are run.
///
/// # Examples
///
/// ```
/// use leno::weave::Explorer;
///
/// // A thousand executions by chance, with switches before every operation.
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
    pub(super) rules: Rules,
    pub(super) order: Order,
    pub(super) max_executions: Option<u64>,
    pub(super) max_steps: u64,
    pub(super) max_time: Option<Duration>,
    pub(super) max_switches: Option<u32>,
    pub(super) stack_bytes: Option<usize>,
    pub(super) shows_progress: bool,
}

/// In which order, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    All,
    Reduced,
    Sampled(Kind, u64),
}

impl Default for Explorer {
    fn default() -> Explorer {
        Explorer::new()
    }
}

impl Explorer {
    /// All executions, with a choice wherever leno switches.
    pub fn new() -> Explorer {
        Explorer {
            rules: Rules::default(),
            order: Order::All,
            max_executions: None,
            max_steps: DEFAULT_MAX_STEPS,
            max_time: None,
            max_switches: None,
            stack_bytes: None,
            shows_progress: true,
        }
    }

    /// Others may also run before each operation on a primitive of leno or on a
    /// [`Shared`](super::Shared), as if the green threads were OS threads: for
    /// algorithms that are meant for those. Memory is sequentially consistent.
    ///
    /// One that yields lets others go first, as with [`fair`](Explorer::fair).
    pub fn preemptive(mut self) -> Explorer {
        self.rules.preemptive = true;
        self
    }

    /// Who yields again and again lets those go first who could have run
    /// meanwhile. For programs with loops that wait by yielding: they have
    /// executions without end otherwise.
    pub fn fair(mut self) -> Explorer {
        self.rules.fair = true;
        self
    }

    /// Time may pass to the next deadline even if somebody can run: whether a
    /// deadline comes before a message is a choice. Otherwise time passes when
    /// nobody can run.
    pub fn timed(mut self) -> Explorer {
        self.rules.timed = true;
        self
    }

    /// One execution of each kind: if two differ only in the order of steps that
    /// have nothing to do with each other, one of them is run.
    ///
    /// This is a promise that green threads share nothing but primitives of leno and
    /// [`Shared`](super::Shared)s. What they share besides, as a `Rc<Cell<_>>`, is
    /// not seen, and outcomes may be missed.
    pub fn reduced(mut self) -> Explorer {
        self.order = Order::Reduced;
        self
    }

    /// Executions drawn by chance: at each choice, all are equally likely.
    /// [`max_executions`](Explorer::max_executions) or
    /// [`max_time`](Explorer::max_time) ends it, or else 10,000 executions.
    pub fn random(mut self, seed: u64) -> Explorer {
        self.order = Order::Sampled(Kind::Random, seed);
        self
    }

    /// Executions drawn by chance, all equally likely as far as can be told: each
    /// green thread is chosen in proportion to the turns that it has left, judged by
    /// the first execution. That is exact if the number of turns does not depend
    /// on the schedule.
    pub fn uniform(mut self, seed: u64) -> Explorer {
        self.order = Order::Sampled(Kind::Uniform, seed);
        self
    }

    /// Executions drawn by probabilistic concurrency testing (PCT, Burckhardt et
    /// al., ASPLOS 2010): the green thread with the highest priority runs, priorities
    /// are random, and change at `depth - 1` random moments. A bug that takes `depth`
    /// ordered steps is found in each execution with a probability of at least
    /// 1 / (n k^(depth - 1)), for n green threads and k steps.
    ///
    /// # Panics
    ///
    /// If `depth` is 0.
    pub fn pct(mut self, seed: u64, depth: u32) -> Explorer {
        assert!(depth > 0, "a bug has a depth of at least 1: that some order is needed");
        self.order = Order::Sampled(Kind::Pct { depth }, seed);
        self
    }

    /// Executions by each way to draw them in turn: at random, uniformly, and by PCT
    /// with depths 2 and 3.
    pub fn portfolio(mut self, seed: u64) -> Explorer {
        self.order = Order::Sampled(Kind::Portfolio, seed);
        self
    }

    /// At most so many executions.
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_executions(mut self, executions: u64) -> Explorer {
        assert!(executions > 0, "an exploration of no execution finds nothing: allow at least one");
        self.max_executions = Some(executions);
        self
    }

    /// An execution of more steps than this, 20,000 if nothing is said, is a
    /// failure: [`FailureKind::Endless`].
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_steps(mut self, steps: u64) -> Explorer {
        assert!(steps > 0, "an execution without a step does nothing: allow at least one");
        self.max_steps = steps;
        self
    }

    /// Begins no execution after so long.
    ///
    /// # Panics
    ///
    /// If it is zero.
    pub fn max_time(mut self, time: Duration) -> Explorer {
        assert!(!time.is_zero(), "an exploration needs some time: allow more than none");
        self.max_time = Some(time);
        self
    }

    /// Only executions that go from one green thread, while it could go on, to
    /// another at most so often. Few switches suffice for most bugs, and there are
    /// far fewer such executions (Musuvathi and Qadeer, "Iterative context bounding",
    /// PLDI 2007). Not together with [`reduced`](Explorer::reduced), which then does
    /// nothing.
    pub fn max_switches(mut self, switches: u32) -> Explorer {
        self.max_switches = Some(switches);
        self
    }

    /// The size in bytes of the stacks of green threads that do not ask for another.
    pub fn stack_size(mut self, bytes: usize) -> Explorer {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Whether the terminal shows how far an exploration is that takes longer than a
    /// second: executions, how many a second, how deep, and an estimate of what is
    /// left. It does if nothing else is said; not in [`check`](Explorer::check), of
    /// which several run at once in tests, and not if standard error is no terminal.
    pub fn progress(mut self, is_shown: bool) -> Explorer {
        self.shows_progress = is_shown;
        self
    }

    /// Runs the program under every schedule that this explorer is for, and groups
    /// the executions by what the program returned.
    ///
    /// The first execution is run twice, to see whether the program repeats itself;
    /// it counts once.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    #[track_caller]
    pub fn explore<F, T>(&self, program: F) -> Report<T>
    where
        F: Fn() -> T,
        T: Ord,
    {
        outside_of_runtimes("leno::weave::explore");
        let mut session = self.session(self.strategy(), self.rules);
        let mut report = Report::new();
        let same = |one: &T, other: &T| one == other;
        let ended = self.drive(&mut session, &program, same, |session, ran| {
            report.add(session, ran);
            ControlFlow::Continue(())
        });
        report.is_complete = ended == Ended::All && report.has_all();
        report
    }

    /// The first schedule under which the program returns what is `wanted`. `None` if
    /// there is none among the executions that this explorer is for; one that fails
    /// returns nothing.
    ///
    /// # Panics
    ///
    /// If the exploration cannot go on, since the program does not repeat itself or
    /// has too many green threads: nothing is known then. Inside a runtime.
    #[track_caller]
    pub fn find<F, T>(&self, program: F, wanted: impl Fn(&T) -> bool) -> Option<Schedule>
    where
        F: Fn() -> T,
    {
        outside_of_runtimes("leno::weave::find");
        let mut session = self.session(self.strategy(), self.rules);
        let mut found = None;
        let mut failure = None;
        self.drive(
            &mut session,
            &program,
            |_, _| true,
            |session, ran| match ran {
                Ran::Value(value) if wanted(&value) => {
                    found = Some(session.engine.borrow().schedule());
                    ControlFlow::Break(())
                }
                Ran::Cut(cut) if cut.ends_exploration() => {
                    failure = session.failure_of(Ran::<T>::Cut(cut)).err();
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            },
        );
        if let Some(failure) = failure {
            panic!("{failure}");
        }
        found
    }

    /// Runs the program under one schedule. The schedule says itself how it was
    /// found: this explorer need not be `preemptive` for one that is.
    ///
    /// # Panics
    ///
    /// If the schedule is no schedule or does not fit the program; the text says
    /// where. If the program fails, with what went wrong. Inside a runtime.
    #[track_caller]
    pub fn replay<S, F, T>(&self, schedule: S, program: F) -> T
    where
        S: TryInto<Schedule, Error: fmt::Display>,
        F: Fn() -> T,
    {
        outside_of_runtimes("leno::weave::replay");
        let schedule: Schedule = match schedule.try_into() {
            Ok(schedule) => schedule,
            Err(error) => panic!("{error}"),
        };
        match self.replayed(&schedule, &program) {
            Ok(value) => value,
            Err(failure) if failure.kind == FailureKind::Misfit => panic!("{}", failure.message),
            Err(failure) => panic!("{failure}"),
        }
    }

    pub(super) fn replayed<T>(
        &self,
        schedule: &Schedule,
        program: &impl Fn() -> T,
    ) -> Result<T, Box<Failure>> {
        let replay = Replay::new(schedule.clone(), false);
        let mut session = self.session(Strategy::Replay(replay), schedule.rules);
        let ran = session.run(program);
        session.failure_of(ran)
    }
}
