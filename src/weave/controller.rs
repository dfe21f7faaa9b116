//! The controller of the executions of one exploration: it makes each choice by the strategy, and
//! records the choices.

mod choose;

use std::cell::RefCell;
use std::rc::Rc;

use super::fairness::Fairness;
use super::fault::{Abort, Fault, FaultKind};
use super::line::Line;
use super::names::Names;
use super::panics::{self, PanicObserver, PanicText};
use super::recording::{Place, Recording};
use super::schedule::{Rules, Schedule};
use super::strategy::{Strategy, choose_on_path};
use crate::explore::{
    CLOCK, Choice, ChoicePath, Controller, EnabledSet, EventMask, Operated, Spawn, Stuck,
    Suspension,
};
use crate::inspect::deadlock::DEADLOCK;
use crate::kernel::Payload;

pub(super) struct ExplorationController {
    pub(super) rules: Rules,
    pub(super) strategy: Strategy,
    pub(super) max_steps: u64,
    /// The preemption bound: after this number of switches, the current thread goes on while it
    /// is enabled.
    pub(super) max_switches: Option<u32>,
    fairness: Option<Box<Fairness>>,
    pub(super) recording: Option<Box<Recording>>,
    /// A deadlock report has been made in this exploration.
    has_report: bool,
    // The state of the current execution:
    pub(super) names: Names,
    /// The choices of the execution. The path makes the common choices itself.
    pub(super) path: Rc<RefCell<ChoicePath>>,
    pub(super) switches: u32,
    last: u64,
    /// Boxed, so that the result of an execution is copied in a few instructions.
    pub(super) fault: Option<Box<Fault>>,
    pub(super) abort: Option<Abort>,
    /// The enabled green threads, and the indices of those that may be chosen. Both are kept, so
    /// that no choice allocates.
    ready: Vec<u64>,
    allowed: Vec<usize>,
    /// The enabled green threads where the path chooses among many, and those that may not be chosen.
    line: Line,
    waiting: Vec<u64>,
}

impl ExplorationController {
    /// Returns a controller that keeps its choices on `path`, which is cleared.
    pub(super) fn new(
        rules: Rules,
        strategy: Strategy,
        max_steps: u64,
        path: Rc<RefCell<ChoicePath>>,
    ) -> ExplorationController {
        // mistake: never-fair
        let is_fair = rules.fair || rules.preemptive;
        path.borrow_mut().start();
        ExplorationController {
            rules,
            strategy,
            max_steps,
            max_switches: None,
            fairness: is_fair.then(|| Box::new(Fairness::new())),
            recording: None,
            has_report: false,
            names: Names::default(),
            path,
            switches: 0,
            last: 1,
            fault: None,
            abort: None,
            ready: Vec::new(),
            allowed: Vec::new(),
            line: Line::default(),
            waiting: Vec::new(),
        }
    }

    /// Returns the schedule of the last execution.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule::of(self.rules, self.path.borrow().made(), &self.names)
    }

    #[inline]
    pub(super) fn steps(&self) -> u64 {
        self.path.borrow().steps()
    }

    /// Begins the execution with this index. Returns the events to report.
    #[inline(always)]
    pub(super) fn begin(&mut self, index: u64) -> EventMask {
        panics::forget();
        self.names.clear();
        self.switches = 0;
        self.last = 1;
        // Depth-first search is the common strategy: its executions begin without a call.
        if let Strategy::Dfs(_) = self.strategy
            && self.is_bare()
        {
            let mut path = self.path.borrow_mut();
            path.repeat();
            path.go_alone(self.max_steps);
            return self.bare_events();
        }
        self.begin_with_care(index);
        self.events()
    }

    fn events(&self) -> EventMask {
        let is_observed = match &self.strategy {
            Strategy::Dfs(_) => false,
            Strategy::Other(strategy) => strategy.observes_operations(),
        };
        EventMask {
            operations: is_observed || self.recording.is_some(),
            values: self.recording.is_some(),
            suspensions: self.recording.is_some(),
            yields: self.fairness.is_some(),
            ..self.bare_events()
        }
    }

    /// Returns the events to report to a [bare](ExplorationController::is_bare) controller.
    #[inline(always)]
    fn bare_events(&self) -> EventMask {
        EventMask {
            preemption: self.rules.preemptive,
            time: self.rules.timed,
            most_threads: usize::try_from(self.max_steps).unwrap_or(usize::MAX),
            ..EventMask::default()
        }
    }

    /// Returns `true` if the last execution has left nothing to clear, and no part of the
    /// controller has to see each choice.
    #[inline(always)]
    fn is_bare(&self) -> bool {
        let has_failed = self.fault.is_some() || self.abort.is_some();
        let sees_all =
            self.recording.is_some() || self.max_switches.is_some() || self.fairness.is_some();
        !has_failed && !sees_all
    }

    #[inline(never)]
    fn begin_with_care(&mut self, index: u64) {
        // To drop what is seldom there is a call that most executions need not make.
        if self.fault.is_some() || self.abort.is_some() {
            self.clear_failure();
        }
        self.line.clear();
        if let Some(fairness) = &mut self.fairness {
            fairness.begin();
        }
        if let Some(recording) = &mut self.recording {
            recording.begin();
        }
        let sees_all = self.recording.is_some() || self.max_switches.is_some();
        let mut path = self.path.borrow_mut();
        let leaves_choices_to_path = match &mut self.strategy {
            Strategy::Dfs(_) => {
                path.repeat();
                true
            }
            Strategy::Other(strategy) => {
                strategy.begin(index, &mut path);
                strategy.leaves_choices_to_path()
            }
        };
        if !sees_all && leaves_choices_to_path {
            path.go_alone(self.max_steps);
        }
    }

    #[cold]
    #[inline(never)]
    fn clear_failure(&mut self) {
        self.fault = None;
        self.abort = None;
    }

    /// Ends the execution.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        if let Strategy::Dfs(_) = self.strategy {
            // An execution that is shorter than the choices that it repeats differs.
            let made = self.path.borrow().shorter();
            if let Some(after) = made {
                self.abort.get_or_insert(Abort::Differs { after });
            }
            return;
        }
        self.end_with_care();
    }

    #[inline(never)]
    fn end_with_care(&mut self) {
        if let Strategy::Other(strategy) = &mut self.strategy {
            let abort = strategy.end(&self.path.borrow());
            if self.abort.is_none() && self.fault.is_none() {
                self.abort = abort;
            }
        }
    }

    /// Advances to the next execution. Returns `false` if there is none.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> bool {
        match &mut self.strategy {
            Strategy::Dfs(dfs) => dfs.advance(&mut self.path.borrow_mut()),
            Strategy::Other(strategy) => strategy.advance(),
        }
    }

    /// Ends the execution at the next choice.
    fn abort(&mut self, abort: Abort) {
        self.abort.get_or_insert(abort);
        self.path.borrow_mut().ask();
    }

    /// Records that the thread with this number has the next turn.
    fn chosen(&mut self, number: u64, is_last_enabled: bool, has_choice: bool) {
        if number != self.last && is_last_enabled {
            self.switches += 1;
        }
        self.last = number;
        if let Some(fairness) = &mut self.fairness {
            fairness.took(number);
        }
        if let Some(recording) = &mut self.recording {
            recording.step(number, has_choice);
        }
    }
}

impl Controller for ExplorationController {
    fn choose(&mut self, ready: &EnabledSet<'_>) -> Option<usize> {
        let path = self.path.borrow();
        let (steps, is_alone, after) = (path.steps(), path.is_alone(), path.made().len());
        drop(path);
        if self.abort.is_some() {
            return None;
        }
        if steps > self.max_steps {
            self.abort(Abort::Endless);
            return None;
        }
        if is_alone {
            self.abort(Abort::Differs { after });
            return None;
        }
        if let Some(index) = self.choose_in_line(ready) {
            return Some(index);
        }
        let mut numbers = std::mem::take(&mut self.ready);
        numbers.clear();
        numbers.extend((0..ready.len()).map(|place| ready.number(place)));
        let index = self.choose_among(&numbers);
        self.ready = numbers;
        index
    }

    fn alternative(&mut self, count: usize) -> usize {
        let mut path = self.path.borrow_mut();
        let made = path.made().len();
        let chosen = match &mut self.strategy {
            Strategy::Dfs(_) => choose_on_path(count, &mut path),
            Strategy::Other(strategy) => strategy.alternative(count, &mut path),
        };
        match chosen {
            Ok(value) => {
                if path.made().len() == made {
                    path.push_taken(value, count, |_| Choice::VALUE);
                }
                if let Some(recording) = &mut self.recording {
                    recording.alternative(value, count);
                }
                value
            }
            Err(abort) => {
                drop(path);
                self.abort(abort);
                0
            }
        }
    }

    fn spawned(&mut self, spawned: &Spawn<'_>) {
        if let Some(name) = spawned.name {
            self.names.add(spawned.number, name);
        }
        if let Strategy::Other(strategy) = &mut self.strategy {
            strategy.woke(spawned.number);
        }
        if let Some(recording) = &mut self.recording {
            recording.spawned(spawned);
        }
    }

    fn woke(&mut self, number: u64) {
        if let Strategy::Other(strategy) = &mut self.strategy {
            strategy.woke(number);
        }
        if let Some(recording) = &mut self.recording {
            recording.woke(number);
        }
    }

    fn operated(&mut self, operated: &Operated<'_>) {
        if let Strategy::Other(strategy) = &mut self.strategy {
            strategy.accessed(operated.number, operated.access);
        }
        if let Some(recording) = &mut self.recording {
            recording.operated(operated);
        }
    }

    fn has_value(&mut self, value: String) {
        if let Some(recording) = &mut self.recording {
            recording.has_value(value);
        }
    }

    fn shows(&mut self, name: &str, at: Place) {
        if let Some(recording) = &mut self.recording {
            recording.shows(name, at);
        }
    }

    fn yields(&mut self, number: u64) {
        if let Some(fairness) = &mut self.fairness {
            fairness.yields(number);
            // From now on, fairness restricts each choice.
            self.path.borrow_mut().ask();
            if let Strategy::Other(strategy) = &mut self.strategy {
                strategy.yields();
            }
        }
    }

    fn suspended(&mut self, suspension: &Suspension<'_>) {
        if let Some(recording) = &mut self.recording {
            recording.suspended(suspension);
        }
    }

    fn time_passed(&mut self) {
        if let Strategy::Other(strategy) = &mut self.strategy {
            strategy.time_passed();
        }
        if let Some(recording) = &mut self.recording {
            recording.step(CLOCK, false);
        }
    }

    fn time_is(&mut self, nanos: u64) {
        if let Some(recording) = &mut self.recording {
            recording.time_is(nanos);
        }
    }

    fn panicked(&mut self, number: u64, payload: &Payload) {
        let text = panics::text_of(number, payload);
        if let Some(recording) = &mut self.recording {
            recording.panicked(&text);
        }
        if let Strategy::Other(strategy) = &mut self.strategy {
            strategy.panicked();
        }
        self.fault.get_or_insert_with(|| {
            Box::new(Fault {
                kind: FaultKind::Panic,
                message: text.message,
                place: text.place,
                thread: Some(number),
            })
        });
    }

    fn too_many(&mut self) {
        self.abort(Abort::TooManyAtOnce);
    }

    fn unwound(&mut self, _number: u64) {
        if let Some(recording) = &mut self.recording {
            recording.unwound();
        }
    }

    fn stuck(&mut self, stuck: &Stuck<'_>) {
        if let Some(recording) = &mut self.recording {
            recording.cycles = stuck.cycles();
        }
        // A deadlock after a panic follows from the panic. A deadlock report takes longer than
        // the rest of the execution, and deadlocks are counted together, so one is made.
        if self.fault.is_none() {
            let is_first = !std::mem::replace(&mut self.has_report, true);
            let message = if is_first { stuck.report() } else { DEADLOCK.to_owned() };
            let fault = Fault { kind: FaultKind::Deadlock, message, place: None, thread: None };
            self.fault = Some(Box::new(fault));
        }
    }
}

impl PanicObserver for ExplorationController {
    fn schedule_text(&self) -> String {
        self.schedule().to_string()
    }

    fn panics(&mut self, text: &PanicText) {
        if let Some(recording) = &mut self.recording {
            recording.panics(text);
        }
    }
}
