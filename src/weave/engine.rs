//! The director of the executions of one exploration: it makes each choice by the
//! strategy, and keeps what was chosen.

use super::fairness::Fairness;
use super::names::Names;
use super::panics;
use super::recording::Recording;
use super::reduction::{Next, Reduction};
use super::replay::Replay;
use super::sampling::Sampling;
use super::schedule::{Made, Rules, Schedule};
use super::tree::Tree;
use crate::runtime::{
    CLOCK, DEADLOCK, Director, Operated, Payload, Ready, Spawn, Stuck, Suspension, Wants,
};

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
    pace: Pace,
    pub(super) recording: Option<Box<Recording>>,
    /// The report of a deadlock has been made.
    has_report: bool,
    // Of the execution that runs:
    pub(super) names: Names,
    pub(super) trail: Vec<Made>,
    pub(super) steps: u64,
    /// As many as it may have; none once it is to end.
    limit: u64,
    pub(super) switches: u32,
    last: u64,
    pub(super) wrong: Option<Wrong>,
    pub(super) cut: Option<Cut>,
    /// Those who can run, and the indices of those who may be chosen, kept so that no choice allocates.
    ready: Vec<u64>,
    allowed: Vec<usize>,
}

/// Choices of the two common kinds are made without looking at anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Tree,
    Random,
    Any,
}

impl Engine {
    pub(super) fn new(rules: Rules, strategy: Strategy, max_steps: u64) -> Engine {
        let is_fair = rules.fair || rules.preemptive;
        Engine {
            rules,
            strategy,
            max_steps,
            max_switches: None,
            fairness: is_fair.then(|| Box::new(Fairness::new())),
            recording: None,
            has_report: false,
            pace: Pace::Any,
            names: Names::default(),
            trail: Vec::new(),
            steps: 0,
            limit: max_steps,
            switches: 0,
            last: 1,
            wrong: None,
            cut: None,
            ready: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// What it has to be told.
    pub(super) fn wants(&self) -> Wants {
        let is_reduced = matches!(self.strategy, Strategy::Reduced(_));
        Wants {
            operations: is_reduced || self.recording.is_some(),
            preemption: self.rules.preemptive,
            time: self.rules.timed,
            values: self.recording.is_some(),
            suspensions: self.recording.is_some(),
            yields: self.fairness.is_some(),
            most_threads: usize::try_from(self.max_steps).unwrap_or(usize::MAX),
        }
    }

    /// The execution with this index begins.
    pub(super) fn begin(&mut self, index: u64) {
        panics::forget();
        self.names.clear();
        self.trail.clear();
        self.steps = 0;
        self.limit = self.max_steps;
        self.pace = self.pace();
        self.switches = 0;
        self.last = 1;
        self.wrong = None;
        self.cut = None;
        if let Some(fairness) = &mut self.fairness {
            fairness.begin();
        }
        if let Some(recording) = &mut self.recording {
            recording.begin();
        }
        match &mut self.strategy {
            Strategy::Sampling(sampling) => sampling.begin(index),
            Strategy::Reduced(reduction) => reduction.begin(),
            Strategy::Replay(replay) => replay.begin(),
            Strategy::Tree(_) => {}
        }
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        match &mut self.strategy {
            Strategy::Tree(tree) => {
                let depth = tree.depth();
                if !tree.end() && self.cut.is_none() {
                    self.cut = Some(Cut::Differs { after: depth });
                }
            }
            Strategy::Reduced(reduction) => reduction.end(),
            Strategy::Sampling(sampling) => sampling.end(),
            Strategy::Replay(replay) => {
                // One that fails is over wherever it fails.
                if let Some(rest) = replay.rest()
                    && self.cut.is_none()
                    && self.wrong.is_none()
                {
                    let made = self.trail.len();
                    self.cut = Some(Cut::Misfit(format!(
                        "the run has {made} choices and is over then, but the schedule goes on: {rest}"
                    )));
                }
            }
        }
    }

    /// The schedule of the execution that has just ended.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule::of(self.rules, &self.trail, &self.names)
    }

    fn cut<T>(&mut self, cut: Cut) -> Option<T> {
        self.cut.get_or_insert(cut);
        None
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

    /// Chooses among `allowed`, where there is a choice.
    fn pick(&mut self, ready: &[u64]) -> Option<usize> {
        let Engine { strategy, allowed, names, trail, .. } = self;
        let picked = match strategy {
            Strategy::Tree(tree) if allowed.len() > 1 => tree
                .choose(allowed.len(), signature(ready))
                .map(|choice| allowed[choice])
                .map_err(|_| Cut::Differs { after: tree.depth() - 1 }),
            Strategy::Sampling(sampling) if allowed.len() > 1 => {
                Ok(sampling.choose(ready, allowed))
            }
            Strategy::Sampling(sampling) => {
                sampling.took(ready[allowed[0]]);
                Ok(allowed[0])
            }
            Strategy::Replay(replay) if allowed.len() > 1 => {
                replay.choose(ready, allowed, names).map_err(|why| {
                    Cut::Misfit(format!("at choice {} of the run, {why}", trail.len() + 1))
                })
            }
            Strategy::Reduced(reduction) => match reduction.choose(ready, allowed) {
                Next::Index(index) => Ok(index),
                Next::Redundant => Err(Cut::Redundant),
                Next::Differs => Err(Cut::Differs { after: trail.len() }),
                Next::TooMany => Err(Cut::TooMany),
            },
            Strategy::Tree(_) | Strategy::Replay(_) => Ok(allowed[0]),
        };
        match picked {
            Ok(index) => Some(index),
            Err(cut) => self.cut(cut),
        }
    }

    #[inline(never)]
    fn choose_slow(&mut self, ready: &Ready<'_>) -> Option<usize> {
        let mut numbers = std::mem::take(&mut self.ready);
        numbers.clear();
        numbers.extend((0..ready.len()).map(|place| ready.number(place)));
        let index = self.choose_among(&numbers);
        self.ready = numbers;
        index
    }

    fn choose_among(&mut self, ready: &[u64]) -> Option<usize> {
        self.allow(ready);
        let has_choice = self.allowed.len() > 1;
        self.bound_switches(ready);
        let index = self.pick(ready)?;
        let number = ready[index];
        if has_choice {
            self.trail.push(Made::Thread(number as u32));
        }
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

    /// How the choices of the next execution are made.
    fn pace(&self) -> Pace {
        match &self.strategy {
            _ if self.recording.is_some() || self.max_switches.is_some() => Pace::Any,
            Strategy::Tree(_) => Pace::Tree,
            Strategy::Sampling(sampling) if !sampling.sees_all() => Pace::Random,
            _ => Pace::Any,
        }
    }

    #[cold]
    fn is_over(&mut self) -> Option<usize> {
        let cut = if self.steps > self.limit { Cut::Endless } else { self.differs() };
        self.cut(cut)
    }

    fn differs(&self) -> Cut {
        Cut::Differs { after: self.trail.len() }
    }
}

/// Tells sets of green threads from each other.
fn signature(ready: &[u64]) -> u64 {
    ready.iter().fold(0, |sum, &number| mix(sum, number))
}

#[inline(always)]
fn signature_of(ready: &Ready<'_>) -> u64 {
    (0..ready.len()).fold(0, |sum, place| mix(sum, ready.number(place)))
}

#[inline(always)]
fn mix(sum: u64, number: u64) -> u64 {
    sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(number)
}

impl Director for Engine {
    #[inline]
    fn choose(&mut self, ready: &Ready<'_>) -> Option<usize> {
        self.steps += 1;
        if self.steps > self.limit {
            return self.is_over();
        }
        // The two that are worth it.
        let index = match (self.pace, &mut self.strategy) {
            (Pace::Tree | Pace::Random, _) if ready.len() == 1 => return Some(0),
            (Pace::Tree, Strategy::Tree(tree)) => {
                match tree.choose(ready.len(), signature_of(ready)) {
                    Ok(index) => index,
                    Err(_) => return self.is_over(),
                }
            }
            (Pace::Random, Strategy::Sampling(sampling)) => sampling.alternative(ready.len()),
            _ => return self.choose_slow(ready),
        };
        self.trail.push(Made::Thread(ready.number(index) as u32));
        Some(index)
    }

    fn alternative(&mut self, count: usize) -> usize {
        let chosen = match &mut self.strategy {
            Strategy::Tree(tree) => {
                tree.choose(count, u64::MAX).map_err(|_| Cut::Differs { after: tree.depth() - 1 })
            }
            Strategy::Reduced(reduction) => {
                reduction.alternative(count).ok_or(Cut::Differs { after: self.trail.len() })
            }
            Strategy::Sampling(sampling) => Ok(sampling.alternative(count)),
            Strategy::Replay(replay) => replay.alternative(count).map_err(|why| {
                Cut::Misfit(format!("at choice {} of the run, {why}", self.trail.len() + 1))
            }),
        };
        match chosen {
            Ok(value) => {
                self.trail.push(Made::Value(value as u32));
                if let Some(recording) = &mut self.recording {
                    recording.alternative(value, count);
                }
                value
            }
            Err(cut) => {
                // It ends at the next choice.
                self.limit = 0;
                self.cut.get_or_insert(cut);
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
            self.pace = Pace::Any;
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
        self.wrong.get_or_insert(Wrong {
            what: What::Panic,
            message: said.message,
            place: said.place,
            thread: Some(number),
        });
    }

    fn too_many(&mut self) {
        self.limit = 0;
        self.cut.get_or_insert(Cut::TooManyAtOnce);
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
            self.wrong = Some(Wrong { what: What::Deadlock, message, place: None, thread: None });
        }
    }
}
