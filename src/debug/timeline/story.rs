//! A timeline as states and links: what each green thread was doing from one
//! event to another, and who changed that.

use std::collections::BTreeMap;

use super::Timeline;
use crate::inspect::{Event, Happened};
use crate::kernel::{Cause, Outcome};

/// The events of a timeline, each with its index. A green thread that yields and
/// runs again at once, because nobody else could, just runs on.
pub(super) fn events(timeline: &Timeline) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(timeline.len());
    for event in &timeline.recording.events {
        let goes_on = |last: &Event| {
            matches!((last.what, event.what), (Happened::Yields, Happened::Runs))
                && last.thread == event.thread
        };
        // The very first may be a yield from before the recording began.
        if events.len() > 1 && events.last().is_some_and(goes_on) {
            events.pop();
        } else {
            events.push(*event);
        }
    }
    events
}

/// What one green thread does for a while.
pub(super) struct Part {
    pub(super) thread: u64,
    pub(super) doing: Doing,
    /// From this event to that one; the number of events if it has not ended.
    pub(super) from: usize,
    pub(super) to: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Doing {
    Running,
    /// It could run.
    Ready,
    /// Since this event.
    Waiting,
}

/// One does something to another.
pub(super) struct Link {
    pub(super) cause: Cause,
    pub(super) thread: u64,
    pub(super) event: usize,
    pub(super) kind: Kind,
    /// The part in which the cause was running, if that is a green thread.
    pub(super) from: Option<usize>,
    /// The part in which the other runs next, if it does.
    pub(super) to: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Spawn,
    Wake(Outcome),
    Interrupt(&'static str),
}

impl Kind {
    /// What of a link can be told from one event.
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
    /// The part that each green thread is in.
    open: BTreeMap<u64, usize>,
    /// Links to those who have not run since.
    loose: BTreeMap<u64, Vec<usize>>,
}

impl Story {
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
