//! The state of the green threads while a story is narrated.

use std::collections::HashMap;

use super::line::{Line, State, Threads};
use super::source::Sources;
use crate::weave::recording::{Action, Actor, Awaited, End, Place, Recording, Step, Thing};

/// The state of one green thread.
#[derive(Clone, Default)]
pub(super) struct ThreadState {
    state: State,
    /// The last known place, and whether the green thread was spawned there.
    pub(super) last: Option<(Place, bool)>,
    pub(super) spawned: Option<Place>,
    /// What the last step waits for.
    pub(super) waited: Option<(Awaited, Place)>,
    pub(super) time_is_up: bool,
    pub(super) has_returned: bool,
}

/// The last read of a shared value by one green thread.
#[derive(Clone, Copy)]
enum LastRead {
    UpToDate,
    /// The green thread with this number has changed the value since.
    Overtaken(u64),
}

/// The state of a story between two steps.
pub(super) struct StoryState<'a> {
    pub(super) recording: &'a Recording,
    pub(super) threads: &'a Threads,
    pub(super) states: Vec<ThreadState>,
    /// The number of choices so far.
    pub(super) turn: u64,
    pub(super) sources: Sources,
    pub(super) unnamed: Unnamed,
    /// The last reads, by the green thread and the shared value.
    reads: HashMap<(u64, u64), LastRead>,
    /// The names and values of the operations of a step, if they are kept and not a part of the words.
    pub(super) values: Option<Vec<(String, String)>>,
}

/// The resources without a name.
#[derive(Default)]
pub(super) struct Unnamed {
    /// The numbers of those of each kind.
    numbers: HashMap<&'static str, Vec<u64>>,
    /// The only one of a kind has a number, too, since another execution may have two.
    is_always_numbered: bool,
}

impl Unnamed {
    /// Returns none, of which the only one of a kind will have a number.
    pub(super) fn always_numbered() -> Unnamed {
        Unnamed { is_always_numbered: true, ..Unnamed::default() }
    }

    /// Adds the resources of a recording.
    pub(super) fn add(&mut self, recording: &Recording) {
        for thing in recording.distinct().flat_map(things) {
            if let Thing::Resource { number, kind, name: None } = thing {
                let known = self.numbers.entry(kind).or_default();
                if !known.contains(number) {
                    known.push(*number);
                }
            }
        }
    }

    /// Returns the name of a resource: `noun`, with a number if there are several of its kind.
    fn name(&self, kind: &str, number: u64, noun: &str) -> String {
        let known = self.numbers.get(kind).map_or(&[][..], |known| known);
        if known.len() < 2 && !self.is_always_numbered {
            return format!("the {noun}");
        }
        let index = known.iter().position(|other| *other == number);
        format!("{noun} {}", index.map_or(0, |index| index + 1))
    }
}

impl<'a> StoryState<'a> {
    pub(super) fn new(recording: &'a Recording, threads: &'a Threads) -> StoryState<'a> {
        let mut unnamed = Unnamed::default();
        unnamed.add(recording);
        let mut states = vec![ThreadState::default(); threads.numbers.len()];
        if let Some(main) = states.first_mut() {
            main.state = State::Ready;
        }
        let (turn, sources, reads) = (0, Sources::default(), HashMap::new());
        StoryState { recording, threads, states, turn, sources, unnamed, reads, values: None }
    }

    /// Applies a step that is not narrated.
    pub(super) fn skip(&mut self, step: usize) {
        let step = self.recording.at(step);
        self.turn += turns(step);
        for action in &step.actions {
            if let (Action::Operates { verb, thing, .. }, Actor::Thread(number)) =
                (action, step.actor)
            {
                self.overtaken_by(number, verb, thing);
            }
        }
        self.apply(step, &mut []);
    }

    /// Applies the changes of a step, and stores the states during the step in its lines.
    pub(super) fn apply(&mut self, step: &Step, lines: &mut [Line]) {
        for line in lines.iter_mut() {
            line.states = self.states.iter().map(|thread| thread.state).collect();
            line.marks.keys().for_each(|&lane| self.states[lane].state = State::Ready);
        }
        for action in &step.actions {
            let (number, at) = match action {
                Action::Spawns(number, at) => (*number, Some(*at)),
                Action::Wakes(number) => (*number, None),
                _ => continue,
            };
            let Some(lane) = self.threads.lane(number) else { continue };
            let thread = &mut self.states[lane];
            thread.state = State::Ready;
            thread.last = at.map(|at| (at, true)).or(thread.last);
            thread.spawned = at.or(thread.spawned);
            thread.time_is_up = matches!(step.actor, Actor::Clock(_));
        }
        let Actor::Thread(number) = step.actor else { return };
        let Some(lane) = self.threads.lane(number) else { return };
        self.states[lane].apply(step);
    }

    /// Returns the name of a thing in a story.
    pub(super) fn name_of(&self, thing: &Thing) -> String {
        match thing {
            Thing::Thread(number) => self.threads.label(*number).to_owned(),
            Thing::Resource { kind: "shared value", name: Some(name), .. } => name.to_string(),
            Thing::Resource { kind, name: Some(name), .. } => format!("{kind} '{name}'"),
            Thing::Resource { number, kind, name: None } => {
                let noun = if *kind == "shared value" { "value" } else { kind };
                self.unnamed.name(kind, *number, noun)
            }
        }
    }

    /// Notes an operation of the green thread `number`. If it is an update of a shared value that
    /// another green thread has changed since `number` read it, returns the number of that thread.
    pub(super) fn overtaken_by(&mut self, number: u64, verb: &str, thing: &Thing) -> Option<u64> {
        let Thing::Resource { number: value, kind: "shared value" | "atomic", .. } = *thing else {
            return None;
        };
        if matches!(verb, "get" | "look" | "load" | "look at") {
            self.reads.insert((number, value), LastRead::UpToDate);
            return None;
        }
        let last = self.reads.remove(&(number, value));
        for ((_, other), read) in &mut self.reads {
            if *other == value {
                *read = LastRead::Overtaken(number);
            }
        }
        match last {
            // A compare and exchange detects the change itself.
            Some(LastRead::Overtaken(by)) if verb != "compare and exchange" => Some(by),
            _ => None,
        }
    }
}

impl ThreadState {
    /// Applies a step of this green thread.
    fn apply(&mut self, step: &Step) {
        for action in &step.actions {
            match action {
                Action::Operates { at: Some(at), .. }
                | Action::Spawns(_, at)
                | Action::Shows(_, at) => {
                    self.last = Some((at, false));
                }
                Action::Returns | Action::Fails => self.has_returned = true,
                _ => {}
            }
        }
        self.waited = None;
        self.time_is_up = false;
        match &step.end {
            Some(End::Yields(at) | End::Preempted(at)) => {
                self.state = State::Ready;
                self.last = Some((at, false));
            }
            Some(End::Waits(what, at)) => {
                self.state = State::Waits;
                self.last = Some((at, false));
                self.waited = Some((what.clone(), at));
            }
            Some(End::Ends) => self.state = State::Absent,
            None => {}
        }
    }
}

/// Returns the number of choices that are made in a step, and for it.
fn turns(step: &Step) -> u64 {
    let taken = step.actions.iter().filter(|action| matches!(action, Action::Takes(..))).count();
    u64::from(step.is_choice) + taken as u64
}

/// Returns the things that the step operates on or waits for.
fn things(step: &Step) -> impl Iterator<Item = &Thing> {
    let awaited = match &step.end {
        Some(End::Waits(Awaited::Any(any), _)) => any.as_slice(),
        _ => &[],
    };
    let operated = step.actions.iter().filter_map(|action| match action {
        Action::Operates { thing, .. } => Some(thing),
        _ => None,
    });
    operated.chain(awaited.iter().map(|(_, thing)| thing))
}
