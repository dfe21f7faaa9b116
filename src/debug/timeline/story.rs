//! A timeline as states and links: the state of each green thread between two events, and the cause
//! of each change.

use std::collections::BTreeMap;

use super::Timeline;
use crate::inspect::debug::{Event, Happened};
use crate::kernel::{Cause, Outcome};

/// Returns the events of a timeline. If a green thread yields and runs again at once, because no
/// other could run, both events are left out.
pub(super) fn events(timeline: &Timeline) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(timeline.len());
    for event in &timeline.recording.events {
        let goes_on = |last: &Event| {
            matches!((last.what, event.what), (Happened::Yields, Happened::Runs))
                && last.thread == event.thread
        };
        // The first event may be a yield of a run that began before the recording.
        if events.len() > 1 && events.last().is_some_and(goes_on) {
            events.pop();
        } else {
            events.push(*event);
        }
    }
    events
}

/// The state of a green thread during some time.
pub(super) struct Part {
    pub(super) thread: u64,
    pub(super) doing: Doing,
    /// The event that begins this part.
    pub(super) from: usize,
    /// The event that ends this part; the number of events if it has not ended.
    pub(super) to: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Doing {
    Running,
    Ready,
    Waiting,
}

/// An effect on a green thread.
pub(super) struct Link {
    pub(super) cause: Cause,
    pub(super) thread: u64,
    pub(super) event: usize,
    pub(super) kind: Kind,
    /// The part in which the cause was running, if that is a green thread.
    pub(super) from: Option<usize>,
    /// The next part in which the affected green thread runs, if there is any.
    pub(super) to: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Spawn,
    Wake(Outcome),
    Interrupt(&'static str),
}

impl Kind {
    /// Returns the cause and the kind of the link of one event.
    pub(super) fn of(what: Happened) -> Option<(Cause, Kind)> {
        match what {
            Happened::Spawned(cause) => Some((cause, Kind::Spawn)),
            Happened::Woken(cause, outcome) => Some((cause, Kind::Wake(outcome))),
            Happened::Interrupted(cause, why) => Some((cause, Kind::Interrupt(why))),
            _ => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Story {
    pub(super) parts: Vec<Part>,
    pub(super) links: Vec<Link>,
    /// The current part of each green thread.
    open: BTreeMap<u64, usize>,
    /// The links to green threads that have not run since.
    loose: BTreeMap<u64, Vec<usize>>,
}

impl Story {
    /// Returns the parts and links of the events.
    pub(super) fn of(events: &[Event]) -> Story {
        let mut story = Story::default();
        for (index, event) in events.iter().enumerate() {
            story.add(index, event);
        }
        for part in story.open.into_values() {
            story.parts[part].to = events.len();
        }
        Story { open: BTreeMap::new(), ..story }
    }

    fn add(&mut self, index: usize, event: &Event) {
        if let Some((cause, kind)) = Kind::of(event.what) {
            let from = match cause {
                Cause::Thread(number) => self.open.get(&number).copied(),
                _ => None,
            };
            let from = from.filter(|&part| matches!(self.parts[part].doing, Doing::Running));
            self.loose.entry(event.thread).or_default().push(self.links.len());
            let thread = event.thread;
            self.links.push(Link { cause, thread, event: index, kind, from, to: None });
        }
        let doing = match event.what {
            Happened::Runs => Some(Doing::Running),
            Happened::Spawned(_) | Happened::Woken(..) | Happened::Yields => Some(Doing::Ready),
            Happened::Waits(..) => Some(Doing::Waiting),
            Happened::Ends | Happened::Returns => None,
            Happened::Interrupted(..) | Happened::Fails { .. } => return,
        };
        if let Some(part) = self.open.remove(&event.thread) {
            self.parts[part].to = index;
        }
        let Some(doing) = doing else { return };
        let part = self.parts.len();
        self.open.insert(event.thread, part);
        self.parts.push(Part { thread: event.thread, doing, from: index, to: index });
        if matches!(doing, Doing::Running) {
            for link in self.loose.remove(&event.thread).into_iter().flatten() {
                self.links[link].to = Some(part);
            }
        }
    }
}
