//! The record of one execution, step by step, for its story.
//!
//! Equal steps are stored once, since an execution without end repeats a few steps.

use std::collections::HashMap;
use std::panic::Location;

use super::panics::PanicText;
use crate::access::{Access, Object};
use crate::explore::{Awaits, CLOCK, Operated, Spawn, Suspended, Suspension, UNTOLD};
use crate::kernel::{Resource, WaitFor};

/// The most values of operations that are kept.
const MOST_VALUES: usize = 100_000;

pub(super) type Place = &'static Location<'static>;

/// The steps of one execution.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    /// The steps that differ.
    distinct: Vec<Step>,
    known: HashMap<Step, u32>,
    /// The indices of the steps in `distinct`, in the order of the execution.
    order: Vec<u32>,
    /// The current step.
    current: Option<Step>,
    /// The number of each spawned green thread, and the place of the spawn.
    pub(super) spawned: Vec<(u64, Place)>,
    /// The cycles of green threads that wait for each other at the end: each thread with what it
    /// waits for.
    pub(super) cycles: Vec<Vec<(u64, Option<String>)>>,
    /// The values of operations, by the place of the step and the index of the action. They are
    /// not part of the steps, so that a loop that counts has equal steps.
    values: HashMap<(usize, usize), String>,
    /// The places of the steps in which a panic began, and its text.
    panics: Vec<(usize, PanicText)>,
    /// The place of the step in which the first uncaught panic began.
    pub(super) wrong: Option<usize>,
    /// The time in nanoseconds since the beginning.
    time: u64,
}

/// The origin of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    /// The green thread with this number.
    Thread(u64),
    /// Time passes, by this number of nanoseconds.
    Clock(u64),
    /// Another OS thread.
    Outside,
}

/// The actions of a green thread between two switches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    pub(super) actor: Actor,
    /// Another green thread could have had the turn.
    pub(super) is_choice: bool,
    pub(super) actions: Vec<Action>,
    /// The reason why another green thread had the next turn.
    pub(super) end: Option<End>,
}

/// An action in a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Operates {
        verb: &'static str,
        thing: Thing,
        at: Option<Place>,
    },
    Spawns(u64, Place),
    /// A value is shown under this name.
    Shows(Box<str>, Place),
    /// A part of the action before: the green thread that becomes ready.
    Wakes(u64),
    /// A part of the action before: the green thread that is cancelled, and the reason.
    Interrupts(u64, &'static str),
    /// The index of an alternative, and the number of alternatives.
    Takes(usize, usize),
    /// A panic begins, which may be caught.
    Panics(PanicText),
    /// A panic left the closure.
    Fails,
    /// The closure was left because its green thread was cancelled.
    Unwinds,
    /// The green thread has ended, and informs the threads that wait for that.
    Ends,
    /// The program has returned.
    Returns,
}

/// The object of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    Resource {
        /// The number that no other resource of the execution has.
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
    /// The green thread is about to operate on something.
    Preempted(Place),
    Waits(Awaited, Place),
    Ends,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Awaited {
    Words(String),
    /// Any of these; each with what the thread wants of it.
    Any(Vec<(&'static str, Thing)>),
}

impl Recording {
    /// Begins an execution.
    pub(super) fn begin(&mut self) {
        *self = Recording::default();
        // The first step of the main green thread is not chosen.
        self.step(1, false);
    }

    /// Begins a step of the green thread with this number, or of the clock.
    pub(super) fn step(&mut self, number: u64, is_choice: bool) {
        let actor = if number == CLOCK { Actor::Clock(0) } else { Actor::Thread(number) };
        self.next(actor, is_choice);
    }

    fn next(&mut self, actor: Actor, is_choice: bool) {
        self.keep();
        self.current = Some(Step { actor, is_choice, actions: Vec::new(), end: None });
    }

    /// Stores the current step.
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

    /// Ends the execution.
    pub(super) fn finish(&mut self) {
        self.keep();
        self.known = HashMap::new();
    }

    /// Returns the steps of the execution, as indices. Equal steps have equal indices.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Returns the step at this place of the execution.
    pub(super) fn at(&self, place: usize) -> &Step {
        &self.distinct[self.order[place] as usize]
    }

    /// Returns the steps that differ, in the order in which they first came.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Step> {
        self.distinct.iter()
    }

    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> + ExactSizeIterator {
        self.order.iter().map(|&index| &self.distinct[index as usize])
    }

    /// Adds an action to the current step. After the end of the last step, all green threads are
    /// unwound, which is no part of the execution.
    fn action(&mut self, action: Action) {
        if let Some(step) = &mut self.current
            && step.end.is_none()
        {
            step.actions.push(action);
        }
    }

    /// Adds an effect on another green thread. Between two steps, another OS thread is its
    /// origin.
    fn effect(&mut self, action: Action) {
        let is_between = self.current.as_ref().is_some_and(|step| step.end.is_some());
        if is_between {
            self.next(Actor::Outside, false);
        }
        self.action(action);
    }

    pub(super) fn spawned(&mut self, spawned: &Spawn<'_>) {
        self.spawned.push((spawned.number, spawned.at));
        self.effect(Action::Spawns(spawned.number, spawned.at));
    }

    pub(super) fn woke(&mut self, number: u64) {
        self.effect(Action::Wakes(number));
    }

    pub(super) fn time_is(&mut self, nanos: u64) {
        let passed = nanos - std::mem::replace(&mut self.time, nanos);
        if let Some(Step { actor: Actor::Clock(time), .. }) = &mut self.current {
            *time = passed;
        }
    }

    pub(super) fn alternative(&mut self, value: usize, count: usize) {
        self.action(Action::Takes(value, count));
    }

    pub(super) fn operated(&mut self, operated: &Operated<'_>) {
        let Operated { number, access, verb, at, .. } = *operated;
        let ends = access == Access::Commute && matches!(operated.object, Object::End(_));
        if verb == UNTOLD && ends {
            return self.action(Action::Ends);
        }
        if access == Access::Await || verb == UNTOLD {
            return;
        }
        let thing = match operated.object {
            Object::Resource(resource) => thing(number, resource),
            Object::Atomic(_) => Thing::Resource { number, kind: "atomic", name: None },
            Object::End(thread) | Object::Token(thread) => Thing::Thread(thread),
            // A thread interrupts itself only by reaching a deadline.
            Object::Unwinding(thread) if verb != "cancel" => {
                return self.effect(Action::Interrupts(thread, verb));
            }
            Object::Unwinding(thread) => Thing::Thread(thread),
            Object::Poison(_) | Object::Scope(_) | Object::Numbers | Object::Clock => return,
            Object::Waker(_) | Object::RemoteResults => return,
        };
        self.action(Action::Operates { verb, thing, at });
    }

    pub(super) fn suspended(&mut self, suspension: &Suspension<'_>) {
        let at = suspension.at;
        let end = match suspension.why {
            Suspended::Yields => End::Yields(at),
            Suspended::Preempted => End::Preempted(at),
            Suspended::Waits(awaits) => End::Waits(
                match awaits() {
                    Awaits::Words(words) => Awaited::Words(words),
                    Awaits::Any(all) => {
                        let thing = |(wait, number): (WaitFor<'_>, u64)| match wait {
                            WaitFor::Resource(need) => {
                                Some((need.what.words(), thing(number, need.resource)))
                            }
                            WaitFor::Join(target) => {
                                Some(("the end of", Thing::Thread(target.number())))
                            }
                            _ => None,
                        };
                        Awaited::Any(all.into_iter().filter_map(thing).collect())
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
        let has_value =
            |action: &Action| matches!(action, Action::Operates { .. } | Action::Shows(..));
        let operated = step.actions.iter().rposition(has_value);
        if let Some(action) = operated
            && self.values.len() < MOST_VALUES
        {
            self.values.insert((self.order.len(), action), value);
        }
    }

    pub(super) fn shows(&mut self, name: &str, at: Place) {
        self.action(Action::Shows(name.into(), at));
    }

    /// Returns the value of an operation: of this action of the step at this place.
    pub(super) fn value(&self, place: usize, action: usize) -> Option<&str> {
        self.values.get(&(place, action)).map(String::as_str)
    }

    /// Notes that the current green thread begins to panic.
    pub(super) fn panics(&mut self, said: &PanicText) {
        if self.current.as_ref().is_some_and(|step| step.end.is_none()) {
            self.action(Action::Panics(said.clone()));
            self.panics.push((self.order.len(), said.clone()));
        }
    }

    /// Notes that this panic has left the closure of the current green thread.
    pub(super) fn panicked(&mut self, said: &PanicText) {
        let begun = self.panics.iter().rposition(|(_, begun)| begun == said);
        let place = match begun {
            Some(begun) => self.panics.remove(begun).0,
            None => {
                // The panic was resumed, so the hook was not called.
                self.action(Action::Panics(said.clone()));
                self.order.len()
            }
        };
        self.action(Action::Fails);
        self.wrong.get_or_insert(place);
    }

    pub(super) fn unwound(&mut self) {
        self.action(Action::Unwinds);
    }

    /// Notes that the program has returned.
    pub(super) fn returned(&mut self) {
        self.action(Action::Returns);
    }
}

fn thing(number: u64, resource: &Resource) -> Thing {
    Thing::Resource { number, kind: resource.kind(), name: resource.name().map(Box::from) }
}
