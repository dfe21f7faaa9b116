//! An execution, told step by step: who could run when, which steps are told, and
//! which line goes where.

use std::collections::{BTreeMap, HashMap};

use super::fold::{self, Run};
use super::scene::Scene;
use super::source::Sources;
use crate::weave::recording::{Actor, Awaited, Deed, End, Place, Recording, Step, Thing};
use crate::weave::report::grouped;

/// A line of a story.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The number of the choice, if it was one.
    pub(super) turn: Option<u64>,
    /// Whose it is; nobody's if time passes.
    pub(super) lane: Option<usize>,
    pub(super) words: String,
    pub(super) place: Option<At>,
    pub(super) source: Option<String>,
    /// What is done to others.
    pub(super) marks: BTreeMap<usize, Mark>,
    /// What everybody is doing.
    pub(super) states: Vec<State>,
    /// This is what went wrong.
    pub(super) is_wrong: bool,
    /// This may be why.
    pub(super) is_odd: bool,
    /// It is part of the step that the line before belongs to.
    pub(super) goes_on: bool,
}

/// A file and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: String,
    pub(super) line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Spawned,
    Woken,
    /// It is to be unwound.
    Interrupted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not spawned yet, or at its end.
    #[default]
    Absent,
    EnabledSet,
    Waits,
}

/// A part of a story.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Step(Vec<Line>),
    /// The steps before this are repeated: how many, how often in all, and the
    /// number of the last choice.
    Again {
        steps: usize,
        times: usize,
        last_turn: u64,
        is_endless: bool,
    },
    LeftOut {
        steps: usize,
    },
}

impl Part {
    /// What stands for steps that are not told.
    pub(super) fn aside(&self) -> Option<String> {
        match self {
            Part::Step(_) => None,
            Part::Again { steps, times, last_turn, is_endless } => {
                let turn = match last_turn {
                    0 => String::new(),
                    turn => format!(", to turn {}", grouped(*turn)),
                };
                let what = match steps {
                    1 => "this step".to_owned(),
                    _ => format!("these {steps} steps"),
                };
                let end = if *is_endless { ", and no end" } else { "" };
                Some(format!("{what} x {}{turn}{end}", grouped(*times as u64)))
            }
            Part::LeftOut { steps: 1 } => Some("1 step is left out".to_owned()),
            Part::LeftOut { steps } => {
                Some(format!("{} steps are left out", grouped(*steps as u64)))
            }
        }
    }
}

/// The columns: the numbers of the green threads, and what they are called.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    pub(super) numbers: Vec<u64>,
    pub(super) labels: Vec<String>,
}

impl Cast {
    pub(super) fn lane(&self, number: u64) -> Option<usize> {
        // They come in the order of their numbers.
        self.numbers.binary_search(&number).ok()
    }

    pub(super) fn label(&self, number: u64) -> &str {
        self.lane(number).map_or("another", |lane| &self.labels[lane])
    }
}

/// What is known of one green thread.
#[derive(Clone, Default)]
pub(super) struct Thread {
    state: State,
    /// Where it was last seen, and whether that is where it was spawned.
    pub(super) last: Option<(Place, bool)>,
    pub(super) spawned: Option<Place>,
    /// What its last step waited for.
    pub(super) waited: Option<(Awaited, Place)>,
    pub(super) time_is_up: bool,
    pub(super) has_returned: bool,
}

/// Tells the steps of an execution one after the other.
pub(super) struct Teller<'a> {
    pub(super) recording: &'a Recording,
    pub(super) cast: &'a Cast,
    /// Which step is the one that went wrong.
    wrong: Option<usize>,
    pub(super) threads: Vec<Thread>,
    pub(super) turn: u64,
    pub(super) sources: Sources,
    /// Of each kind, the unnamed ones by their numbers.
    unnamed: HashMap<&'static str, Vec<u64>>,
    /// Who has read which value, and who has changed it since.
    seen: HashMap<(u64, u64), Option<u64>>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(recording: &'a Recording, cast: &'a Cast, wrong: Option<usize>) -> Self {
        let mut unnamed: HashMap<&'static str, Vec<u64>> = HashMap::new();
        for thing in recording.distinct().flat_map(things) {
            if let Thing::Resource { number, kind, name: None } = thing {
                let known = unnamed.entry(kind).or_default();
                if !known.contains(number) {
                    known.push(*number);
                }
            }
        }
        let mut threads = vec![Thread::default(); cast.numbers.len()];
        if let Some(main) = threads.first_mut() {
            main.state = State::EnabledSet;
        }
        let (turn, sources, seen) = (0, Sources::default(), HashMap::new());
        Teller { recording, cast, wrong, threads, turn, sources, unnamed, seen }
    }

    /// The story in at most about `rows` lines.
    pub(super) fn tell(mut self, is_endless: bool, rows: usize) -> Vec<Part> {
        let mut order = self.recording.order().to_vec();
        if let Some(wrong) = self.wrong {
            // It is like no other, and is told by itself.
            order[wrong] = u32::MAX;
        }
        let runs = fold::fold(&order, is_endless);
        let shown = self.shown(&runs, rows);
        let mut parts: Vec<Part> = Vec::new();
        let Some(&last) = runs.last() else { return parts };
        for run in runs {
            for step in run.from..run.end() {
                let in_first = step < run.from + run.steps;
                if in_first && shown(step) {
                    let lines = self.step(step);
                    parts.push(Part::Step(lines));
                } else {
                    self.pass(step);
                    match parts.last_mut() {
                        _ if !in_first => {}
                        Some(Part::LeftOut { steps }) => *steps += 1,
                        _ => parts.push(Part::LeftOut { steps: 1 }),
                    }
                }
            }
            if run.times > 1 {
                let last_turn = self.turn;
                let Run { steps, times, .. } = run;
                let is_endless = is_endless && run == last;
                parts.push(Part::Again { steps, times, last_turn, is_endless });
            }
        }
        limit(parts, rows)
    }

    /// Steps that can be told: more there is no room for, as each takes a line.
    fn shown(&self, runs: &[Run], rows: usize) -> impl Fn(usize) -> bool + use<> {
        let told: Vec<usize> = runs.iter().flat_map(|run| run.from..run.from + run.steps).collect();
        let first_left_out = told.get(rows).copied().unwrap_or(usize::MAX);
        let last_left_out =
            told.len().checked_sub(rows.saturating_add(1)).map_or(0, |index| told[index]);
        let wrong = self.wrong;
        move |step| {
            step < first_left_out
                || step > last_left_out
                || wrong.is_some_and(|wrong| wrong.abs_diff(step) <= rows)
        }
    }

    /// A step that is not told.
    fn pass(&mut self, step: usize) {
        let step = self.recording.at(step);
        self.turn += turns(step);
        for deed in &step.deeds {
            if let (Deed::Operates { verb, thing, .. }, Actor::Thread(who)) = (deed, step.actor) {
                self.overtaken(who, verb, thing);
            }
        }
        self.apply(step, &mut []);
    }

    fn step(&mut self, index: usize) -> Vec<Line> {
        let recording = self.recording;
        let step = recording.at(index);
        let mut lines = Scene::new(self, index, step).tell();
        let is_wrong = self.wrong == Some(index);
        if is_wrong {
            let panics = step.deeds.iter().any(|deed| matches!(deed, Deed::Panics(_)));
            let line = lines.iter_mut().rev().find(|line| !panics || line.is_wrong);
            if let Some(line) = line {
                line.is_wrong = true;
            }
        } else {
            lines.iter_mut().for_each(|line| line.is_wrong = false);
        }
        self.apply(step, &mut lines);
        lines
    }

    /// What the step changes; in the lines, everybody's state while it happens.
    fn apply(&mut self, step: &Step, lines: &mut [Line]) {
        let states = |threads: &[Thread]| threads.iter().map(|thread| thread.state).collect();
        for line in lines.iter_mut() {
            line.states = states(&self.threads);
            line.marks.keys().for_each(|&lane| self.threads[lane].state = State::EnabledSet);
        }
        for deed in &step.deeds {
            let (number, at) = match deed {
                Deed::Spawns(number, at) => (*number, Some(*at)),
                Deed::Wakes(number) => (*number, None),
                _ => continue,
            };
            let Some(lane) = self.cast.lane(number) else { continue };
            let thread = &mut self.threads[lane];
            thread.state = State::EnabledSet;
            thread.last = at.map(|at| (at, true)).or(thread.last);
            thread.spawned = at.or(thread.spawned);
            thread.time_is_up = matches!(step.actor, Actor::Clock(_));
        }
        let Actor::Thread(number) = step.actor else { return };
        let Some(lane) = self.cast.lane(number) else { return };
        let thread = &mut self.threads[lane];
        for deed in &step.deeds {
            match deed {
                Deed::Operates { at: Some(at), .. } | Deed::Spawns(_, at) => {
                    thread.last = Some((at, false));
                }
                Deed::Returns | Deed::Fails => thread.has_returned = true,
                _ => {}
            }
        }
        thread.waited = None;
        thread.time_is_up = false;
        match &step.end {
            Some(End::Yields(at) | End::Preempted(at)) => {
                thread.state = State::EnabledSet;
                thread.last = Some((at, false));
            }
            Some(End::Waits(what, at)) => {
                thread.state = State::Waits;
                thread.last = Some((at, false));
                thread.waited = Some((what.clone(), at));
            }
            Some(End::Ends) => thread.state = State::Absent,
            None => {}
        }
    }

    /// What a thing is called.
    pub(super) fn thing(&self, thing: &Thing) -> String {
        match thing {
            Thing::Thread(number) => self.cast.label(*number).to_owned(),
            Thing::Resource { kind: "shared value", name: Some(name), .. } => name.to_string(),
            Thing::Resource { kind, name: Some(name), .. } => format!("{kind} '{name}'"),
            Thing::Resource { number, kind, name: None } => {
                let noun = if *kind == "shared value" { "value" } else { kind };
                match self.unnamed.get(kind).map_or(&[][..], |known| known) {
                    [_, _, ..] => {
                        let known = &self.unnamed[kind];
                        let index = known.iter().position(|other| other == number);
                        format!("{noun} {}", index.map_or(0, |index| index + 1))
                    }
                    _ => format!("the {noun}"),
                }
            }
        }
    }

    /// Is this an update on the strength of what was read, which somebody else has
    /// changed since? Says who has.
    pub(super) fn overtaken(&mut self, who: u64, verb: &str, thing: &Thing) -> Option<u64> {
        let Thing::Resource { number, kind: "shared value", .. } = *thing else { return None };
        if matches!(verb, "get" | "look") {
            self.seen.insert((who, number), None);
            return None;
        }
        // One that compares has seen to it.
        let trusts = verb != "compare and exchange";
        let overtaken = self.seen.remove(&(who, number)).flatten().filter(|_| trusts);
        for ((_, other), by) in &mut self.seen {
            if *other == number {
                *by = Some(who);
            }
        }
        overtaken
    }
}

/// How many choices are made in a step, and for it.
fn turns(step: &Step) -> u64 {
    let taken = step.deeds.iter().filter(|deed| matches!(deed, Deed::Takes(..))).count();
    u64::from(step.is_choice) + taken as u64
}

fn things(step: &Step) -> impl Iterator<Item = &Thing> {
    let awaited = match &step.end {
        Some(End::Waits(Awaited::Any(any), _)) => any.as_slice(),
        _ => &[],
    };
    let operated = step.deeds.iter().filter_map(|deed| match deed {
        Deed::Operates { thing, .. } => Some(thing),
        _ => None,
    });
    operated.chain(awaited.iter().map(|(_, thing)| thing))
}

/// Leaves out what is in the middle.
fn limit(parts: Vec<Part>, rows: usize) -> Vec<Part> {
    let rows_of = |part: &Part| match part {
        Part::Step(lines) => lines.len(),
        _ => 1,
    };
    let total: usize = parts.iter().map(rows_of).sum();
    if total <= rows {
        return parts;
    }
    let is_wrong =
        |part: &Part| matches!(part, Part::Step(lines) if lines.iter().any(|line| line.is_wrong));
    let wrong = parts.iter().position(is_wrong);
    let mut keep = vec![false; parts.len()];
    let mut left = rows;
    let mut take = |places: &mut dyn Iterator<Item = usize>, most: usize| {
        let least = left.saturating_sub(most);
        for place in places {
            let rows = if keep[place] { 0 } else { rows_of(&parts[place]) };
            // What went wrong is always told.
            let fits = left.checked_sub(rows).filter(|left| *left >= least);
            match fits {
                None if Some(place) != wrong => break,
                fits => left = fits.unwrap_or(0),
            }
            keep[place] = true;
        }
    };
    // The last lines tell most, and those up to what went wrong.
    take(&mut (0..wrong.map_or(0, |wrong| wrong + 1)).rev(), rows / 3);
    take(&mut (0..parts.len()), rows / 3);
    take(&mut (0..parts.len()).rev(), rows);
    let mut kept: Vec<Part> = Vec::new();
    for (place, part) in parts.into_iter().enumerate() {
        if keep[place] {
            kept.push(part);
            continue;
        }
        let gone = match part {
            Part::Step(_) => 1,
            Part::Again { steps, times, .. } => steps * (times - 1),
            Part::LeftOut { steps } => steps,
        };
        match kept.last_mut() {
            Some(Part::LeftOut { steps }) => *steps += gone,
            _ => kept.push(Part::LeftOut { steps: gone }),
        }
    }
    kept
}
