//! The functions of an explorer that run a program.

use std::fmt;
use std::ops::ControlFlow;

use super::Explorer;
use crate::weave::check;
use crate::weave::executor::{ExecutionEnd, Executor, assert_outside_runtimes};
use crate::weave::failure::{Failure, FailureKind};
use crate::weave::report::Report;
use crate::weave::run_loop;
use crate::weave::schedule::Schedule;
use crate::weave::story::{self, Story};

impl Explorer {
    /// Runs the program under every schedule of this explorer, and groups the executions by the
    /// value that the program returned.
    ///
    /// The first execution is run twice, to see whether the program repeats itself; it counts
    /// once.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    ///
    /// # Examples
    ///
    /// See [`Explorer`].
    #[track_caller]
    pub fn explore<F, T>(&self, program: F) -> Report<T>
    where
        F: Fn() -> T,
        T: Ord,
    {
        assert_outside_runtimes("leno::weave::explore");
        run_loop::explore(&self.options, &program)
    }

    /// Returns the first schedule under which the program returns a `wanted` value; `None` if no
    /// execution of this explorer does. A failed execution returns nothing.
    ///
    /// # Panics
    ///
    /// If the exploration cannot go on, since the program does not repeat itself or has too many
    /// green threads: whether there is such a schedule is unknown then. Inside a runtime.
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
    /// let lost_update = Explorer::new().preemptive().find(program, |&total| total == 1);
    /// assert!(lost_update.is_some());
    /// ```
    #[track_caller]
    pub fn find<F, T>(&self, program: F, wanted: impl Fn(&T) -> bool) -> Option<Schedule>
    where
        F: Fn() -> T,
    {
        assert_outside_runtimes("leno::weave::find");
        let mut executor = self.options.executor();
        let mut found = None;
        let mut failure = None;
        let visit = |executor: &Executor, end| match end {
            ExecutionEnd::Returned(value) if wanted(&value) => {
                found = Some(executor.controller.borrow().schedule());
                ControlFlow::Break(())
            }
            ExecutionEnd::Aborted(abort) if abort.ends_exploration() => {
                failure = executor.failure_of(ExecutionEnd::<T>::Aborted(abort)).err();
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        };
        run_loop::run_loop(&self.options, &mut executor, &program, |_, _| true, visit);
        if let Some(failure) = failure {
            panic!("{failure}");
        }
        found
    }

    /// Runs the program under one schedule, and returns its value. The schedule contains the
    /// rules by which it was found: this explorer need not be `preemptive` for a schedule that
    /// is.
    ///
    /// # Panics
    ///
    /// If the schedule cannot be parsed or does not fit the program; the text says where. If the
    /// program fails, with its failure. Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let program = || {
    ///     let last = Shared::new("");
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| last.set("A"));
    ///         scope.spawn(|| last.set("B"));
    ///     });
    ///     last.into_inner()
    /// };
    /// assert_eq!(Explorer::new().replay("B1", program), "A");
    /// ```
    #[track_caller]
    pub fn replay<S, F, T>(&self, schedule: S, program: F) -> T
    where
        S: TryInto<Schedule, Error: fmt::Display>,
        F: Fn() -> T,
    {
        assert_outside_runtimes("leno::weave::replay");
        let schedule = parsed(schedule);
        match run_loop::replay(&self.options, &schedule, &program) {
            Ok(value) => value,
            Err(failure) if failure.kind == FailureKind::Misfit => panic!("{}", failure.message),
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Explores a program in a test. Panics at the first execution that fails, with a shortened
    /// schedule, the story of that execution, and the line that replays it.
    ///
    /// Runs at most 100,000 executions by default, and then 10,000 more that are drawn at random
    /// if those were not all. Environment variables change this:
    ///
    /// - `LENO_WEAVE_EXECUTIONS=n`: at most `n` executions;
    /// - `LENO_WEAVE_SEED=n`: executions drawn at random with this seed, instead of all;
    /// - `LENO_WEAVE_REPLAY=schedule`: the execution of this schedule;
    /// - `LENO_WEAVE_HTML=folder`: writes a [`Page`](crate::weave::Page) of the failing execution and those
    ///   around it, its story as text and the facts as JSON, and an index of the folder;
    /// - `LENO_WEAVE_HTML_ALL=1`: also writes the pages of checks that do not fail.
    ///
    /// # Panics
    ///
    /// If an execution fails. Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// Explorer::new().preemptive().check(|| {
    ///     let total = Shared::new(0);
    ///     leno::scope(|scope| {
    ///         for _ in 0..2 {
    ///             scope.spawn(|| total.update(|total| *total += 1));
    ///         }
    ///     });
    ///     assert_eq!(total.get(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn check<F, T>(&self, program: F)
    where
        F: Fn() -> T,
    {
        assert_outside_runtimes("leno::weave::check");
        if let Err(text) = check::check(&self.options, &program) {
            panic!("{text}");
        }
    }

    /// Returns the first execution that fails, and the number of executions up to and including
    /// it; `None` if no execution of this explorer fails.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let found = Explorer::new().preemptive().first_failure(|| {
    ///     let total = Shared::new(0);
    ///     leno::scope(|scope| {
    ///         for _ in 0..2 {
    ///             scope.spawn(|| total.set(total.get() + 1));
    ///         }
    ///     });
    ///     assert_eq!(total.get(), 2);
    /// });
    /// let (failure, executions) = found.expect("an update can be lost");
    /// assert!(failure.message().contains("left: 1"));
    /// assert_eq!(executions, 1);
    /// ```
    #[track_caller]
    pub fn first_failure<F, T>(&self, program: F) -> Option<(Failure, u64)>
    where
        F: Fn() -> T,
    {
        assert_outside_runtimes("leno::weave::Explorer::first_failure");
        let (executions, result) = check::until_failure(&self.options, &program);
        result.err().map(|failure| (*failure, executions))
    }

    /// Runs the program under one schedule, and returns the story of the execution. The program
    /// may fail, or not end, and the schedule need not fit.
    ///
    /// # Panics
    ///
    /// If the schedule cannot be parsed. Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let story = Explorer::new().story("", || {
    ///     let total = Shared::named("total", 1);
    ///     total.set(2);
    /// });
    /// assert!(story.to_string().contains("set total: 2"));
    /// ```
    #[track_caller]
    pub fn story<S, F, T>(&self, schedule: S, program: F) -> Story
    where
        S: TryInto<Schedule, Error: fmt::Display>,
        F: Fn() -> T,
    {
        assert_outside_runtimes("leno::weave::story");
        story::tell(&self.options, &parsed(schedule), &program)
    }
}

/// Converts the argument of a public function to a schedule.
///
/// # Panics
///
/// If the schedule cannot be parsed.
#[track_caller]
fn parsed<S: TryInto<Schedule, Error: fmt::Display>>(schedule: S) -> Schedule {
    match schedule.try_into() {
        Ok(schedule) => schedule,
        Err(error) => panic!("{error}"),
    }
}
