//! What happened in one execution, step by step, for the story.
//!
//! Steps that are the same are kept once: an execution without end repeats a few.

use std::collections::HashMap;
use std::panic::Location;

use super::panics::Said;
use crate::access::{Access, Object};
use crate::explore::{Awaits, CLOCK, Operated, Spawn, Suspended, Suspension, UNTOLD};
use crate::kernel::Resource;

/// Of so many operations it is kept what came of them.
const MOST_VALUES: usize = 100_000;

pub(super) type Place = &'static Location<'static>;

/// The steps of one execution.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    /// Those that differ.
    distinct: Vec<Step>,
    known: HashMap<Step, u32>,
    /// Indices of them, in the order in which they were taken.
    order: Vec<u32>,
    /// The one that is being taken.
    current: Option<Step>,
    /// Number, and where it was spawned.
    pub(super) spawned: Vec<(u64, Place)>,
    /// Those who wait for each other in the end, and what each wants of the next.
    pub(super) cycles: Vec<Vec<(u64, Option<String>)>>,
    /// What came of operations: the place of the step, and which of its deeds. Not
    /// in the steps: a loop that counts repeats its steps all the same.
    values: HashMap<(usize, usize), String>,
    /// The places of the steps in which somebody has begun to panic, and how.
    panics: Vec<(usize, Said)>,
    /// The place of the step in which the first panic began that was not caught.
    pub(super) wrong: Option<usize>,
    /// In nanoseconds, since the beginning.
    time: u64,
}

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    /// The green thread with this number.
    Thread(u64),
    /// Time passes, by so many nanoseconds.
    Clock(u64),
    /// Another OS thread.
    Outside,
}

/// What one green thread did between two switches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    pub(super) actor: Actor,
    /// Could another have had the turn?
    pub(super) is_choice: bool,
    pub(super) deeds: Vec<Deed>,
    /// Why another has had the next turn.
    pub(super) end: Option<End>,
}

/// Something that is done in a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Operates {
        verb: &'static str,
        thing: Thing,
        at: Option<Place>,
    },
    Spawns(u64, Place),
    /// Part of the deed before: who is ready from now on.
    Wakes(u64),
    /// Part of the deed before: who is to be unwound, and why.
    Interrupts(u64, &'static str),
    /// An alternative, and how many there were.
    Takes(usize, usize),
    /// It may be caught.
    Panics(Said),
    /// The closure was left by a panic.
    Fails,
    /// The closure was left because its green thread was cancelled.
    Unwinds,
    /// Its green thread is at its end: what is left is to tell others.
    Ends,
    /// The program has returned.
    Returns,
}

/// What is operated on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    Resource {
        /// Tells it from others.
        number: u64,
        kind: &'static str,
        name: Option<Box<str>>,
    },
    /// The green thread with this number.
    Thread(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Yields(Place),
    /// About to operate on something.
    Preempted(Place),
    Waits(Awaited, Place),
    Ends,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Awaited {
    Words(String),
    /// Any of these; each with what is wanted of it.
    Any(Vec<(&'static str, Thing)>),
}

impl Recording {
    pub(super) fn begin(&mut self) {
        *self = Recording::default();
        // The main green thread runs without having been chosen.
        self.step(1, false);
    }

    pub(super) fn step(&mut self, number: u64, is_choice: bool) {
        let actor = if number == CLOCK { Actor::Clock(0) } else { Actor::Thread(number) };
        self.next(actor, is_choice);
    }

    fn next(&mut self, actor: Actor, is_choice: bool) {
        self.keep();
        self.current = Some(Step { actor, is_choice, deeds: Vec::new(), end: None });
    }

    /// The current step is over.
    fn keep(&mut self) {
        let Some(step) = self.current.take() else { return };
        let index = match self.known.get(&step) {
            Some(&index) => index,
            None => {
                let index = self.distinct.len() as u32;
                self.known.insert(step.clone(), index);
                self.distinct.push(step);
                index
            }
        };
        self.order.push(index);
    }

    /// The execution is over.
    pub(super) fn finish(&mut self) {
        self.keep();
        self.known = HashMap::new();
    }

    /// Which steps were taken: those with the same number are the same.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The step at this place of the order.
    pub(super) fn at(&self, place: usize) -> &Step {
        &self.distinct[self.order[place] as usize]
    }

    /// The steps that differ, in the order in which they first came.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Step> {
        self.distinct.iter()
    }

    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> + ExactSizeIterator {
        self.order.iter().map(|&index| &self.distinct[index as usize])
    }

    /// What comes after the end of the last step is the unwinding of all, which is no
    /// part of the execution.
    fn deed(&mut self, deed: Deed) {
        if let Some(step) = &mut self.current
            && step.end.is_none()
        {
            step.deeds.push(deed);
        }
    }

    /// Something is done to green threads. By whom?
    fn effect(&mut self, deed: Deed) {
        let is_between = self.current.as_ref().is_some_and(|step| step.end.is_some());
        if is_between {
            self.next(Actor::Outside, false);
        }
        self.deed(deed);
    }

    pub(super) fn spawned(&mut self, spawned: &Spawn<'_>) {
        self.spawned.push((spawned.number, spawned.at));
        self.effect(Deed::Spawns(spawned.number, spawned.at));
    }

    pub(super) fn woke(&mut self, number: u64) {
        self.effect(Deed::Wakes(number));
    }

    pub(super) fn time_is(&mut self, nanos: u64) {
        let passed = nanos - std::mem::replace(&mut self.time, nanos);
        if let Some(Step { actor: Actor::Clock(time), .. }) = &mut self.current {
            *time = passed;
        }
    }

    pub(super) fn alternative(&mut self, value: usize, count: usize) {
        self.deed(Deed::Takes(value, count));
    }

    pub(super) fn operated(&mut self, operated: &Operated<'_>) {
        let Operated { number, access, verb, at, .. } = *operated;
        let ends = access == Access::Commute && matches!(operated.object, Object::End(_));
        if verb == UNTOLD && ends {
            return self.deed(Deed::Ends);
        }
        if access == Access::Await || verb == UNTOLD {
            return;
        }
        let thing = match operated.object {
            Object::Resource(resource) => thing(number, resource),
            Object::End(thread) | Object::Token(thread) => Thing::Thread(thread),
            // One interrupts itself in no other way than by running out of time.
            Object::Unwinding(thread) if verb != "cancel" => {
                return self.effect(Deed::Interrupts(thread, verb));
            }
            Object::Unwinding(thread) => Thing::Thread(thread),
            Object::Poison(_) | Object::Scope(_) | Object::Numbers | Object::Clock => return,
            Object::Waker(_) | Object::RemoteResults => return,
        };
        self.deed(Deed::Operates { verb, thing, at });
    }

    pub(super) fn suspended(&mut self, suspension: &Suspension<'_>) {
        let at = suspension.at;
        let end = match suspension.why {
            Suspended::Yields => End::Yields(at),
            Suspended::Preempted => End::Preempted(at),
            Suspended::Waits(awaits) => End::Waits(
                match awaits() {
                    Awaits::Words(words) => Awaited::Words(words),
                    Awaits::Any(needs) => {
                        let thing = |(need, number): (crate::kernel::Need<'_>, u64)| {
                            (need.what.words(), thing(number, need.resource))
                        };
                        Awaited::Any(needs.into_iter().map(thing).collect())
                    }
                },
                at,
            ),
            Suspended::Ends => End::Ends,
        };
        if let Some(step) = &mut self.current {
            step.end = Some(end);
        }
    }

    pub(super) fn has_value(&mut self, value: String) {
        let Some(step) = &self.current else { return };
        let operated = step.deeds.iter().rposition(|deed| matches!(deed, Deed::Operates { .. }));
        if let Some(deed) = operated
            && self.values.len() < MOST_VALUES
        {
            self.values.insert((self.order.len(), deed), value);
        }
    }

    /// What came of an operation: of this deed, of the step at this place.
    pub(super) fn value(&self, place: usize, deed: usize) -> Option<&str> {
        self.values.get(&(place, deed)).map(String::as_str)
    }

    /// Somebody panics, and may catch it.
    pub(super) fn panics(&mut self, said: &Said) {
        if self.current.as_ref().is_some_and(|step| step.end.is_none()) {
            self.deed(Deed::Panics(said.clone()));
            self.panics.push((self.order.len(), said.clone()));
        }
    }

    /// A closure was left by this panic.
    pub(super) fn panicked(&mut self, said: &Said) {
        let begun = self.panics.iter().rposition(|(_, begun)| begun == said);
        let place = match begun {
            Some(begun) => self.panics.remove(begun).0,
            None => {
                // One that was resumed.
                self.deed(Deed::Panics(said.clone()));
                self.order.len()
            }
        };
        self.deed(Deed::Fails);
        self.wrong.get_or_insert(place);
    }

    pub(super) fn unwound(&mut self) {
        self.deed(Deed::Unwinds);
    }

    /// The program has returned.
    pub(super) fn returned(&mut self) {
        self.deed(Deed::Returns);
    }
}

fn thing(number: u64, resource: &Resource) -> Thing {
    Thing::Resource { number, kind: resource.kind(), name: resource.name().map(Box::from) }
}
