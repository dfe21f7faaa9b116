//! How an execution begins and ends, as the engine sees it. For a small execution this
//! counts as much as its choices do.

use super::super::panics;
use super::{Cut, Engine, Strategy};
use crate::explore::EventMask;

impl Engine {
    /// What it has to be told.
    fn wants(&self) -> EventMask {
        let is_reduced = matches!(self.strategy, Strategy::Reduced(_));
        EventMask {
            operations: is_reduced || self.recording.is_some(),
            values: self.recording.is_some(),
            suspensions: self.recording.is_some(),
            yields: self.fairness.is_some(),
            ..self.bare_wants()
        }
    }

    /// Begins the execution with this index. Returns what it has to be told.
    #[inline(always)]
    pub(in crate::weave) fn begin(&mut self, index: u64) -> EventMask {
        panics::forget();
        self.names.clear();
        self.switches = 0;
        self.last = 1;
        // The strategies are told apart once here, and the first is the common one: the
        // jump tables of a `match` on all of them take 10 instructions each.
        if let Strategy::Tree(_) = self.strategy
            && self.is_bare()
        {
            let mut track = self.track.borrow_mut();
            track.repeat();
            track.go_alone(self.max_steps);
            return self.bare_wants();
        }
        self.begin_with_care(index);
        self.wants()
    }

    /// What it has to be told if it [is bare](Engine::is_bare).
    #[inline(always)]
    fn bare_wants(&self) -> EventMask {
        EventMask {
            preemption: self.rules.preemptive,
            time: self.rules.timed,
            most_threads: usize::try_from(self.max_steps).unwrap_or(usize::MAX),
            ..EventMask::default()
        }
    }

    /// Returns `true` if nothing is left of the last execution, and nothing wants to see
    /// what is chosen.
    #[inline(always)]
    fn is_bare(&self) -> bool {
        let has_failed = self.wrong.is_some() || self.cut.is_some();
        let sees_all =
            self.recording.is_some() || self.max_switches.is_some() || self.fairness.is_some();
        !has_failed && !sees_all
    }

    #[inline(never)]
    fn begin_with_care(&mut self, index: u64) {
        // Dropping what is seldom there is a call that most executions need not make.
        if self.wrong.is_some() || self.cut.is_some() {
            self.forget_failure();
        }
        if let Some(fairness) = &mut self.fairness {
            fairness.begin();
        }
        if let Some(recording) = &mut self.recording {
            recording.begin();
        }
        let sees_all = self.recording.is_some() || self.max_switches.is_some();
        let mut track = self.track.borrow_mut();
        match &mut self.strategy {
            Strategy::Tree(_) => track.repeat(),
            Strategy::Sampling(sampling) => sampling.begin(index, &mut track),
            Strategy::Reduced(reduction) => {
                track.start();
                reduction.begin();
            }
            Strategy::Replay(replay) => {
                track.start();
                replay.begin();
            }
        }
        if !sees_all && self.strategy.is_simple() {
            track.go_alone(self.max_steps);
        }
    }

    #[cold]
    #[inline(never)]
    fn forget_failure(&mut self) {
        self.wrong = None;
        self.cut = None;
    }

    /// It is over.
    #[inline(always)]
    pub(in crate::weave) fn end(&mut self) {
        if let Strategy::Tree(_) = self.strategy {
            // Shorter than the one that it should have repeated?
            let made = self.track.borrow().shorter();
            if let Some(after) = made {
                self.cut.get_or_insert(Cut::Differs { after });
            }
            return;
        }
        self.end_with_care();
    }

    #[inline(never)]
    fn end_with_care(&mut self) {
        match &mut self.strategy {
            Strategy::Tree(_) => {}
            Strategy::Reduced(reduction) => reduction.end(),
            Strategy::Sampling(sampling) => sampling.end(self.track.borrow().steps()),
            Strategy::Replay(replay) => {
                // One that fails is over wherever it fails.
                if let Some(rest) = replay.rest()
                    && self.cut.is_none()
                    && self.wrong.is_none()
                {
                    let made = self.track.borrow().made().len();
                    self.cut = Some(Cut::Misfit(format!(
                        "the run has {made} choices and is over then, but the schedule goes on: {rest}"
                    )));
                }
            }
        }
    }
}
