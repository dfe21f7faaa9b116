//! Running a program under one schedule after another.

use std::ops::ControlFlow;
use std::time::Instant;

use super::engine::{Cut, Strategy};
use super::explorer::{Explorer, Order};
use super::failure::Failure;
use super::progress::Progress;
use super::report::Report;
use super::sampling::Sampling;
use super::schedule::Rules;
use super::session::{Ran, Session};
use super::tree::Tree;
use crate::kernel::try_scheduler;

/// Samples, if neither a number nor a time is given.
pub(super) const DEFAULT_SAMPLES: u64 = 10_000;

/// How far an exploration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There is no other execution.
    All,
    Early,
}

impl Explorer {
    pub(super) fn strategy(&self) -> Strategy {
        match self.order {
            Order::Reduced if self.max_switches.is_none() => Strategy::Reduced(Box::default()),
            Order::All | Order::Reduced => Strategy::Tree(Tree::default()),
            Order::Sampled(kind, seed) => Strategy::Sampling(Box::new(Sampling::new(kind, seed))),
        }
    }

    pub(super) fn session(&self, strategy: Strategy, rules: Rules) -> Session {
        // A schedule is followed wherever it leads.
        let is_replay = matches!(strategy, Strategy::Replay(_));
        let session = Session::new(rules, strategy, self.max_steps, self.stack_bytes);
        if !is_replay {
            session.engine.borrow_mut().max_switches = self.max_switches;
        }
        session
    }

    pub(super) fn is_exhaustive(&self) -> bool {
        !matches!(self.order, Order::Sampled(..))
    }

    pub(super) fn most_executions(&self) -> u64 {
        match (self.max_executions, self.max_time) {
            (None, None) if !self.is_exhaustive() => DEFAULT_SAMPLES,
            (most, _) => most.unwrap_or(u64::MAX),
        }
    }

    /// Runs the program under one schedule after another. `visit` is told how each
    /// execution has ended, and may end the exploration. `same` says whether two
    /// values are equal.
    pub(super) fn drive<T>(
        &self,
        session: &mut Session,
        program: &impl Fn() -> T,
        same: impl Fn(&T, &T) -> bool,
        mut visit: impl FnMut(&Session, Ran<T>) -> ControlFlow<()>,
    ) -> Ended {
        let start = Instant::now();
        let most = self.most_executions();
        let mut progress = Progress::new(self.shows_progress, start);
        let mut executions = 0;
        loop {
            let ran = if executions == 0 && !session.is_verified {
                session.run_twice(program, &same)
            } else {
                session.run(program)
            };
            let is_redundant = matches!(ran, Ran::Cut(Cut::Redundant));
            executions += u64::from(!is_redundant);
            let ends = matches!(&ran, Ran::Cut(cut) if cut.ends_exploration());
            if visit(session, ran).is_break() || ends {
                return Ended::Early;
            }
            if !session.advance() {
                return if self.is_exhaustive() { Ended::All } else { Ended::Early };
            }
            let is_late = || self.max_time.is_some_and(|most| start.elapsed() >= most);
            if executions >= most || is_late() {
                return Ended::Early;
            }
            progress.look(executions, session, most);
        }
    }
}

impl<T: Ord> Report<T> {
    /// Adds an execution.
    #[inline(always)]
    pub(super) fn add(&mut self, session: &Session, ran: Ran<T>) {
        self.steps += session.steps();
        match ran {
            Ran::Value(value) => {
                self.executions += 1;
                let index = session.index();
                self.add_value(value, index, || session.engine.borrow().schedule());
            }
            ran => self.add_otherwise(session, ran),
        }
    }

    /// Adds an execution that has no value.
    #[cold]
    #[inline(never)]
    fn add_otherwise(&mut self, session: &Session, ran: Ran<T>) {
        match ran {
            Ran::Cut(Cut::Redundant) => self.redundant += 1,
            ran => {
                self.executions += 1;
                if let Err(failure) = session.failure_of(ran) {
                    self.add_failure(*failure);
                }
            }
        }
    }
}

impl Session {
    /// The value of an execution, or else its failure.
    pub(super) fn failure_of<T>(&self, ran: Ran<T>) -> Result<T, Box<Failure>> {
        let engine = self.engine.borrow();
        match ran {
            Ran::Value(value) => Ok(value),
            Ran::Wrong(wrong) => {
                let thread = wrong.thread.map(|number| engine.names.label(number));
                let mut failure = Failure::of_wrong(*wrong, engine.schedule(), thread);
                failure.first = self.index();
                Err(Box::new(failure))
            }
            Ran::Cut(cut) => {
                let failure = Failure::of_cut(&cut, engine.schedule(), engine.steps());
                Err(Box::new(failure.expect("a redundant execution is no failure")))
            }
        }
    }
}

/// # Panics
///
/// Inside a runtime.
#[track_caller]
pub(super) fn outside_of_runtimes(function: &str) {
    assert!(
        try_scheduler().is_none(),
        "{function} was called inside a runtime: it runs the program on runtimes of its own, so \
         call it outside leno::run"
    );
}
