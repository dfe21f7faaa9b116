//! What happened in one execution, step by step, for the story.

use std::panic::Location;

use super::names::Names;
use super::panics::Said;
use crate::runtime::{Access, CLOCK, Object, Operated, Spawn, Suspended, Suspension};

/// The steps of one execution.
#[derive(Clone, Default)]
pub(super) struct Recording {
    pub(super) steps: Vec<Step>,
    pub(super) spawned: Vec<(u64, &'static Location<'static>)>,
}

/// What one green thread did between two switches.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) thread: u64,
    /// Could another have had the turn?
    pub(super) is_choice: bool,
    pub(super) deeds: Vec<Deed>,
    /// How it ended, and where.
    pub(super) end: Option<(End, &'static Location<'static>)>,
    /// It, or somebody in it, panicked.
    pub(super) panic: Option<Said>,
}

/// One operation.
#[derive(Clone)]
pub(super) struct Deed {
    pub(super) verb: &'static str,
    /// What it was done to, in words.
    pub(super) object: String,
    pub(super) at: &'static Location<'static>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Yields,
    Preempted,
    /// What for.
    Waits(String),
    Ends,
}

impl Recording {
    pub(super) fn begin(&mut self) {
        self.steps.clear();
        self.spawned.clear();
    }

    pub(super) fn step(&mut self, thread: u64, is_choice: bool) {
        self.steps.push(Step { thread, is_choice, deeds: Vec::new(), end: None, panic: None });
    }

    pub(super) fn spawned(&mut self, spawned: &Spawn<'_>) {
        self.spawned.push((spawned.number, spawned.at));
    }

    pub(super) fn woke(&mut self, _number: u64) {}

    pub(super) fn operated(&mut self, operated: &Operated<'_>) {
        if operated.access == Access::Await {
            return;
        }
        let Some(object) = describe(&operated.object) else { return };
        let deed = Deed { verb: operated.verb, object, at: operated.at };
        if let Some(step) = self.steps.last_mut() {
            step.deeds.push(deed);
        }
    }

    pub(super) fn suspended(&mut self, suspension: &Suspension<'_>) {
        let end = match suspension.why {
            Suspended::Yields => End::Yields,
            Suspended::Preempted => End::Preempted,
            Suspended::Waits(what) => End::Waits(what()),
            Suspended::Ends => End::Ends,
        };
        if let Some(step) = self.steps.last_mut() {
            step.end = Some((end, suspension.at));
        }
    }

    pub(super) fn panicked(&mut self, _number: u64, said: &Said) {
        if let Some(step) = self.steps.last_mut() {
            step.panic = Some(said.clone());
        }
    }
}

/// What the object is, in a word or two; nothing of what everybody uses.
fn describe(object: &Object<'_>) -> Option<String> {
    match object {
        Object::Resource(resource) => Some(resource.title()),
        Object::Scope(_) | Object::Numbers | Object::Clock => None,
        Object::End(number) => Some(name_of(*number)),
        Object::Token(number) | Object::Unwinding(number) => Some(name_of(*number)),
    }
}

fn name_of(number: u64) -> String {
    if number == CLOCK { "time".to_owned() } else { Names::default().label(number) }
}
