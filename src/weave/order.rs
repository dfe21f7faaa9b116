//! The steps of one execution, and which of them come before which in every
//! execution of its kind.
//!
//! What an execution has in common with the one before is kept: there the same
//! steps use the same objects.

use super::used::{Candidate, History, Used, merge, numbered};
use crate::access::Access;
use crate::explore::CLOCK;

/// Every step reads this of its own green thread, as one that is to be unwound
/// finds out wherever it goes on.
const UNWINDING: u64 = 3 << 60;

/// The clock, which its own steps write.
const CLOCK_OBJECT: u64 = 6 << 60;

/// What is told of an execution that fails: the panic that came first.
const FIRST_PANIC: u64 = 15 << 60;

/// An object that every step uses which depends on all others.
const ALL: u64 = u64::MAX;

/// A step.
pub(super) struct Event {
    pub(super) thread: u64,
    /// The node that chose it; none for the clock when nobody could run.
    pub(super) node: Option<usize>,
    /// The event that made its green thread ready, if it had to be.
    enabler: Option<usize>,
    pub(super) used: Vec<Used>,
    /// For each green thread, one more than the last of its events that comes
    /// before this, or is this, in every execution of the kind.
    before: Vec<usize>,
    /// It depends on everything before it, and everything after it on it.
    pub(super) is_barrier: bool,
}

#[derive(Default)]
pub(super) struct Order {
    /// Those of this execution, then those of the one before that are kept.
    events: Vec<Event>,
    /// How many have begun in this execution.
    begun: usize,
    /// So many are as they were.
    kept: usize,
    /// Spare events, for their allocations.
    spare: Vec<Event>,
    /// The last event of each green thread.
    last: Vec<Option<usize>>,
    /// Who made each ready, since its last event.
    enabler: Vec<Option<usize>>,
    history: History,
    /// How many objects have been used.
    numbered: u64,
    /// Somebody has yielded where that keeps it waiting. Then every step counts, if
    /// only as a turn.
    has_yielded: bool,
    is_open: bool,
    candidates: Vec<Candidate>,
    /// The events that the one that was closed last races with.
    pub(super) races: Vec<usize>,
}

impl Order {
    /// An execution begins that differs from the one before from the node `branch`
    /// on.
    pub(super) fn begin(&mut self, branch: usize) {
        let differs = |event: &Event| event.node.is_some_and(|node| node >= branch);
        let kept = self.events.iter().position(differs).unwrap_or(0);
        self.keep(kept);
        self.begun = 0;
        self.last.clear();
        self.enabler.clear();
        self.numbered = 0;
        self.has_yielded = false;
        self.is_open = false;
    }

    fn keep(&mut self, kept: usize) {
        self.kept = kept;
        self.spare.extend(self.events.drain(kept..));
        self.history.keep(kept);
    }

    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }

    pub(super) fn event(&self, index: usize) -> &Event {
        &self.events[index]
    }

    /// The event that was closed last.
    pub(super) fn last_closed(&self) -> Option<&Event> {
        self.events[..self.begun].last()
    }

    fn make_room(&mut self, thread: usize) {
        if self.enabler.len() <= thread {
            self.enabler.resize(thread + 1, None);
            self.last.resize(thread + 1, None);
        }
    }

    pub(super) fn open(&mut self, thread: u64, node: Option<usize>) {
        let is_barrier = node.is_none();
        let index = self.begun;
        self.begun += 1;
        self.is_open = true;
        self.make_room(thread as usize);
        let enabler = self.enabler[thread as usize].take();
        if let Some(event) = self.events.get(index) {
            if event.thread == thread && event.node == node {
                return;
            }
            // The program does not repeat itself.
            self.keep(index);
        }
        let new =
            || Event { thread, node, enabler, used: Vec::new(), before: Vec::new(), is_barrier };
        let mut event = self.spare.pop().unwrap_or_else(new);
        event.used.clear();
        event.before.clear();
        let (used, before) = (event.used, event.before);
        self.events.push(Event { thread, node, enabler, used, before, is_barrier });
        if thread == CLOCK {
            self.used(CLOCK_OBJECT, Access::Write);
        } else {
            self.used(UNWINDING | thread, Access::Read);
        }
    }

    /// The step that runs uses an object.
    pub(super) fn used(&mut self, object: u64, access: Access) {
        self.numbered = self.numbered.max(numbered(object));
        if !self.is_open || self.begun <= self.kept {
            return;
        }
        let event = &mut self.events[self.begun - 1];
        let access = match access {
            // The first is whether it is to be unwound.
            Access::Look if !self.has_yielded && event.used[1..].iter().all(Used::is_await) => {
                return;
            }
            Access::Look => Access::Read,
            access => access,
        };
        merge(&mut event.used, Used { object, access });
    }

    /// The step that runs has made a green thread ready.
    pub(super) fn woke(&mut self, number: u64) {
        self.make_room(number as usize);
        self.enabler[number as usize] = self.begun.checked_sub(1);
    }

    /// The step that runs yields where that keeps it waiting: who may go on depends
    /// on the order of all steps.
    pub(super) fn yields(&mut self) {
        self.has_yielded = true;
        self.used(ALL, Access::Write);
    }

    /// The step that runs panics: a failure is the panic that comes first.
    pub(super) fn panicked(&mut self) {
        self.used(FIRST_PANIC, Access::Write);
    }

    /// The step that has run is over. Gives its index if it is new, and leaves those
    /// that it races with in `races`.
    pub(super) fn close(&mut self) -> Option<usize> {
        if !std::mem::take(&mut self.is_open) {
            return None;
        }
        let index = self.begun - 1;
        let thread = self.events[index].thread as usize;
        self.races.clear();
        if self.begun > self.kept {
            let mut event = self.events.pop().expect("one is open");
            self.place(index, &mut event);
            self.history.add(index, &event.used);
            self.events.push(event);
        }
        self.last[thread] = Some(index);
        (self.begun > self.kept).then_some(index)
    }

    /// Finds out what comes before an event.
    fn place(&mut self, index: usize, event: &mut Event) {
        let thread = event.thread as usize;
        if event.is_barrier {
            for &earlier in self.last.iter().flatten() {
                join(&mut event.before, &self.events[earlier].before);
            }
        } else {
            for earlier in [self.last[thread], event.enabler].into_iter().flatten() {
                join(&mut event.before, &self.events[earlier].before);
            }
            self.find_races(index, event);
        }
        if event.before.len() <= thread {
            event.before.resize(thread + 1, 0);
        }
        event.before[thread] = index + 1;
    }

    fn comes_before(&self, earlier: usize, before: &[usize]) -> bool {
        let thread = self.events[earlier].thread as usize;
        before.get(thread).is_some_and(|&last| last > earlier)
    }

    /// Finds the events that `event` races with: those that conflict with it, and
    /// of which no other event forces that they come before it.
    fn find_races(&mut self, index: usize, event: &mut Event) {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.history.conflicting(index, &event.used, &mut candidates);
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.event));
        candidates.dedup_by(|one, kept| {
            let same = one.event == kept.event;
            // A pair is a race if any of its objects makes it one.
            kept.is_race |= same && one.is_race;
            same
        });
        for candidate in &candidates {
            let earlier = candidate.event;
            if self.comes_before(earlier, &event.before) {
                continue;
            }
            if candidate.is_race && self.events[earlier].thread != event.thread {
                self.races.push(earlier);
            }
            join(&mut event.before, &self.events[earlier].before);
        }
        self.candidates = candidates;
    }

    /// Calls `f` with each event between the two that does not come after `earlier`,
    /// and says whether it could be the first of those.
    pub(super) fn each_apart(&self, earlier: usize, later: usize, mut f: impl FnMut(&Event, bool)) {
        let after = |index: usize, than: usize| {
            let thread = self.events[than].thread as usize;
            self.events[index].before.get(thread).is_some_and(|&last| last > than)
        };
        for index in (earlier + 1)..later {
            if !after(index, earlier) {
                // What comes after `earlier` comes before nothing that does not.
                let is_first = !((earlier + 1)..index).any(|other| after(index, other));
                f(&self.events[index], is_first);
            }
        }
    }
}

/// The later of two clocks, green thread by green thread.
fn join(clock: &mut Vec<usize>, other: &[usize]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    for (own, other) in clock.iter_mut().zip(other) {
        *own = (*own).max(*other);
    }
}
