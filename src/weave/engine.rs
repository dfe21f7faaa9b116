//! The director of the executions of one exploration: it makes each choice by the
//! strategy, and keeps what was chosen.

mod span;

use std::cell::RefCell;
use std::rc::Rc;

use super::fairness::Fairness;
use super::names::Names;
use super::panics;
use super::recording::Recording;
use super::reduction::{Next, Reduction};
use super::replay::Replay;
use super::sampling::Sampling;
use super::schedule::{Rules, Schedule};
use super::tree::Tree;
use crate::explore::{
    CLOCK, Choice, ChoicePath, Controller, EnabledSet, Operated, Spawn, Stuck, Suspension,
};
use crate::inspect::DEADLOCK;
use crate::kernel::Payload;

/// How choices are made.
pub(super) enum Strategy {
    Tree(Tree),
    Reduced(Box<Reduction>),
    Sampling(Box<Sampling>),
    Replay(Replay),
}

/// What went wrong first in an execution.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) what: What,
    /// What the panic said, or the report.
    pub(super) message: String,
    /// Where the panic was: a file and a line.
    pub(super) place: Option<(String, u32)>,
    /// Whose panic it was.
    pub(super) thread: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Panic,
    Deadlock,
}

/// Why the engine has ended an execution before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It has more steps than it may have.
    Endless,
    /// The program does not repeat itself: after so many choices, something is not
    /// as it was.
    Differs { after: usize },
    /// The program has returned something else under the same schedule.
    OtherValue,
    /// The schedule does not fit; says why.
    Misfit(String),
    /// More green threads than can be told apart.
    TooMany,
    /// More green threads at once than it may have.
    TooManyAtOnce,
    /// It is equivalent to one that has been tried.
    Redundant,
}

impl Cut {
    /// Is there no way to go on with other executions?
    pub(super) fn ends_exploration(&self) -> bool {
        !matches!(self, Cut::Endless | Cut::Redundant)
    }
}

pub(super) struct Engine {
    pub(super) rules: Rules,
    pub(super) strategy: Strategy,
    pub(super) max_steps: u64,
    /// Others than the one that runs have no turn while it can go on, once there
    /// were so many switches.
    pub(super) max_switches: Option<u32>,
    fairness: Option<Box<Fairness>>,
    pub(super) recording: Option<Box<Recording>>,
    /// The report of a deadlock has been made.
    has_report: bool,
    // Of the execution that runs:
    pub(super) names: Names,
    /// What was chosen, and where the common choices are made.
    pub(super) track: Rc<RefCell<ChoicePath>>,
    pub(super) switches: u32,
    last: u64,
    /// Boxed, so that what an execution has come to is copied in a few instructions.
    pub(super) wrong: Option<Box<Wrong>>,
    pub(super) cut: Option<Cut>,
    /// Those who can run, and the indices of those who may be chosen, kept so that no choice allocates.
    ready: Vec<u64>,
    allowed: Vec<usize>,
}

impl Engine {
    /// An engine whose choices are kept on `track`, which is cleared.
    pub(super) fn new(
        rules: Rules,
        strategy: Strategy,
        max_steps: u64,
        track: Rc<RefCell<ChoicePath>>,
    ) -> Engine {
        let is_fair = rules.fair || rules.preemptive;
        track.borrow_mut().start();
        Engine {
            rules,
            strategy,
            max_steps,
            max_switches: None,
            fairness: is_fair.then(|| Box::new(Fairness::new())),
            recording: None,
            has_report: false,
            names: Names::default(),
            track,
            switches: 0,
            last: 1,
            wrong: None,
            cut: None,
            ready: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// The schedule of the execution that has just ended.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule::of(self.rules, self.track.borrow().made(), &self.names)
    }

    #[inline]
    pub(super) fn steps(&self) -> u64 {
        self.track.borrow().steps()
    }

    /// The execution ends at the next choice.
    fn cut(&mut self, cut: Cut) {
        self.cut.get_or_insert(cut);
        self.track.borrow_mut().ask();
    }

    /// Puts into `allowed` who may be chosen.
    fn allow(&mut self, ready: &[u64]) {
        match &mut self.fairness {
            Some(fairness) if fairness.has_a_say() => fairness.allow(ready, &mut self.allowed),
            _ => {
                self.allowed.clear();
                self.allowed.extend(0..ready.len());
            }
        }
    }

    /// With no switch left, whoever can go on does.
    fn bound_switches(&mut self, ready: &[u64]) {
        if self.max_switches.is_some_and(|most| self.switches >= most)
            && let Some(place) = self.allowed.iter().position(|&index| ready[index] == self.last)
        {
            let own = self.allowed[place];
            self.allowed.clear();
            self.allowed.push(own);
        }
    }

    /// Chooses among `allowed`, by the index in `ready`, and keeps the choice if
    /// there was any.
    fn pick(&mut self, ready: &[u64], has_choice: bool) -> Result<usize, Cut> {
        let Engine { strategy, allowed, names, .. } = self;
        let mut track = self.track.borrow_mut();
        let made = track.made().len();
        if strategy.is_simple() {
            if !has_choice {
                return Ok(allowed[0]);
            }
            let chosen = track.choose(allowed.len(), |place| ready[allowed[place]] as u32);
            let place = chosen.map_err(|_| Cut::Differs { after: made })?;
            return Ok(allowed[place]);
        }
        let index = match strategy {
            Strategy::Sampling(sampling) if allowed.len() > 1 => {
                sampling.choose(ready, allowed, track.random())
            }
            Strategy::Sampling(sampling) => {
                sampling.took(ready[allowed[0]]);
                allowed[0]
            }
            Strategy::Replay(replay) if allowed.len() > 1 => {
                replay.choose(ready, allowed, names).map_err(|why| {
                    Cut::Misfit(format!("at choice {} of the run, {why}", made + 1))
                })?
            }
            Strategy::Reduced(reduction) => match reduction.choose(ready, allowed) {
                Next::Index(index) => index,
                Next::Redundant => return Err(Cut::Redundant),
                Next::Differs => return Err(Cut::Differs { after: made }),
                Next::TooMany => return Err(Cut::TooMany),
            },
            Strategy::Replay(_) | Strategy::Tree(_) => allowed[0],
        };
        if has_choice {
            track.push(Choice::new(ready[index] as u32, index, ready.len()));
        }
        Ok(index)
    }

    fn choose_among(&mut self, ready: &[u64]) -> Option<usize> {
        self.allow(ready);
        let has_choice = self.allowed.len() > 1;
        self.bound_switches(ready);
        let index = match self.pick(ready, has_choice) {
            Ok(index) => index,
            Err(cut) => {
                self.cut(cut);
                return None;
            }
        };
        let number = ready[index];
        if number != self.last && ready.contains(&self.last) {
            self.switches += 1;
        }
        self.last = number;
        if let Some(fairness) = &mut self.fairness {
            fairness.took(number);
        }
        if let Some(recording) = &mut self.recording {
            recording.step(number, has_choice);
        }
        Some(index)
    }
}

impl Strategy {
    /// Goes to the next execution. Returns `false` if there is none, or if it is the tree,
    /// which needs the track for that.
    // A function of its own: with the tree in the same `match`, that would be a jump table.
    #[inline(never)]
    pub(super) fn advance(&mut self) -> bool {
        match self {
            Strategy::Reduced(reduction) => reduction.advance(),
            Strategy::Sampling(_) => true,
            Strategy::Replay(_) | Strategy::Tree(_) => false,
        }
    }

    /// Are its choices made without looking at anything else?
    fn is_simple(&self) -> bool {
        match self {
            Strategy::Tree(_) => true,
            Strategy::Sampling(sampling) => !sampling.sees_all(),
            Strategy::Reduced(_) | Strategy::Replay(_) => false,
        }
    }
}

impl Controller for Engine {
    fn choose(&mut self, ready: &EnabledSet<'_>) -> Option<usize> {
        let track = self.track.borrow();
        let (steps, is_alone, after) = (track.steps(), track.is_alone(), track.made().len());
        drop(track);
        if self.cut.is_some() {
            return None;
        }
        if steps > self.max_steps {
            self.cut(Cut::Endless);
            return None;
        }
        if is_alone {
            self.cut(Cut::Differs { after });
            return None;
        }
        let mut numbers = std::mem::take(&mut self.ready);
        numbers.clear();
        numbers.extend((0..ready.len()).map(|place| ready.number(place)));
        let index = self.choose_among(&numbers);
        self.ready = numbers;
        index
    }

    fn alternative(&mut self, count: usize) -> usize {
        let mut track = self.track.borrow_mut();
        let made = track.made().len();
        let chosen = match &mut self.strategy {
            Strategy::Tree(_) | Strategy::Sampling(_) => {
                track.choose(count, |_| Choice::VALUE).map_err(|_| Cut::Differs { after: made })
            }
            Strategy::Reduced(reduction) => {
                reduction.alternative(count).ok_or(Cut::Differs { after: made })
            }
            Strategy::Replay(replay) => replay
                .alternative(count)
                .map_err(|why| Cut::Misfit(format!("at choice {} of the run, {why}", made + 1))),
        };
        match chosen {
            Ok(value) => {
                if track.made().len() == made {
                    track.push(Choice::new(Choice::VALUE, value, count));
                }
                if let Some(recording) = &mut self.recording {
                    recording.alternative(value, count);
                }
                value
            }
            Err(cut) => {
                drop(track);
                self.cut(cut);
                0
            }
        }
    }

    fn spawned(&mut self, spawned: &Spawn<'_>) {
        if let Some(name) = spawned.name {
            self.names.add(spawned.number, name);
        }
        if let Strategy::Reduced(reduction) = &mut self.strategy {
            reduction.woke(spawned.number);
        }
        if let Some(recording) = &mut self.recording {
            recording.spawned(spawned);
        }
    }

    fn woke(&mut self, number: u64) {
        if let Strategy::Reduced(reduction) = &mut self.strategy {
            reduction.woke(number);
        }
        if let Some(recording) = &mut self.recording {
            recording.woke(number);
        }
    }

    fn operated(&mut self, operated: &Operated<'_>) {
        if let Strategy::Reduced(reduction) = &mut self.strategy {
            reduction.used(operated.number, operated.access);
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

    fn yields(&mut self, number: u64) {
        if let Some(fairness) = &mut self.fairness {
            fairness.yields(number);
            // From now on it has a say in each choice.
            self.track.borrow_mut().ask();
            if let Strategy::Reduced(reduction) = &mut self.strategy {
                reduction.yields();
            }
        }
    }

    fn suspended(&mut self, suspension: &Suspension<'_>) {
        if let Some(recording) = &mut self.recording {
            recording.suspended(suspension);
        }
    }

    fn time_passed(&mut self) {
        if let Strategy::Reduced(reduction) = &mut self.strategy {
            reduction.time_passed();
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
        let said = panics::said_by(number, payload);
        if let Some(recording) = &mut self.recording {
            recording.panicked(&said);
        }
        if let Strategy::Reduced(reduction) = &mut self.strategy {
            reduction.panicked();
        }
        self.wrong.get_or_insert_with(|| {
            Box::new(Wrong {
                what: What::Panic,
                message: said.message,
                place: said.place,
                thread: Some(number),
            })
        });
    }

    fn too_many(&mut self) {
        self.cut(Cut::TooManyAtOnce);
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
        // A deadlock after a panic is no news. A report takes longer than the rest of
        // the execution, and they are counted together: one is enough.
        if self.wrong.is_none() {
            let is_first = !std::mem::replace(&mut self.has_report, true);
            let message = if is_first { stuck.report() } else { DEADLOCK.to_owned() };
            let wrong = Wrong { what: What::Deadlock, message, place: None, thread: None };
            self.wrong = Some(Box::new(wrong));
        }
    }
}
