//! The steps of one execution, and the happens-before relation: the order of steps that is the
//! same in every execution of the equivalence class.
//!
//! The beginning that an execution has in common with the last one is kept: the same steps use
//! the same objects there.

use std::collections::HashMap;

use super::dependence::{ALL, Candidate, History, Use, is_atomic, merge, numbered};
use crate::access::Access;
use crate::explore::CLOCK;

/// Every step reads this object of its own green thread, since a thread that is cancelled finds
/// that out wherever it goes on.
const UNWINDING: u64 = 3 << 60;

/// The bits of an object without its kind.
const LOW_BITS: u64 = (1 << 60) - 1;

/// The clock, which its own steps write.
const CLOCK_OBJECT: u64 = 6 << 60;

/// The panic that a failed execution reports: the first one.
const FIRST_PANIC: u64 = 15 << 60;

/// A step.
#[derive(Default)]
pub(super) struct Event {
    pub(super) thread: u64,
    /// The node that chose the step; `None` for the clock when no green thread could run.
    pub(super) node: Option<usize>,
    /// The event that made the green thread ready, if it was not ready already.
    enabler: Option<usize>,
    pub(super) uses: Vec<Use>,
    /// The atomics of its accesses, one after the other.
    atomics: Vec<u64>,
    /// The vector clock: for each green thread, one more than the index of its last event that
    /// happens before this event or is this event.
    before: Vec<usize>,
    /// The event depends on all others.
    pub(super) is_barrier: bool,
}

/// The atomics of one execution.
///
/// A run knows them by their addresses, which may differ when a step is repeated. So the accesses of
/// the beginning that an execution has in common with the last one are counted: each is to the same
/// atomic as before.
#[derive(Default)]
struct Atomics {
    /// The object for each object of the run.
    objects: HashMap<u64, u64>,
    /// The number of accesses of the current step.
    place: usize,
    /// The last object.
    last: u64,
}

impl Atomics {
    /// Returns the object for an object of the run. `step` has those of the current step: of the last
    /// execution, if the step `is_kept`.
    fn object(&mut self, object: u64, step: &mut Vec<u64>, is_kept: bool) -> u64 {
        let kept = if is_kept { step.get(self.place).copied() } else { None };
        let next = self.last.max(object & !LOW_BITS) + 1;
        let known = self.objects.entry(object).or_insert(next);
        *known = kept.unwrap_or(*known);
        self.last = self.last.max(*known);
        if kept.is_none() {
            step.push(*known);
        }
        self.place += 1;
        *known
    }
}

#[derive(Default)]
pub(super) struct HappensBefore {
    /// The events of this execution, then the kept events of the last one.
    events: Vec<Event>,
    /// The number of events that have begun in this execution.
    begun: usize,
    /// The number of events that this execution has in common with the last one.
    kept: usize,
    /// Spare events, for their allocations.
    spare: Vec<Event>,
    /// The last event of each green thread.
    last: Vec<Option<usize>>,
    /// All events of each green thread.
    of_thread: Vec<Vec<usize>>,
    /// The event that made each green thread ready, since its own last event.
    enabler: Vec<Option<usize>>,
    history: History,
    /// The number of objects that have been used.
    numbered: u64,
    /// A green thread has yielded where fairness keeps it waiting. From then on every step
    /// counts, if only as a turn.
    has_yielded: bool,
    is_open: bool,
    candidates: Vec<Candidate>,
    atomics: Atomics,
    /// The events that race with the last closed event.
    pub(super) races: Vec<usize>,
}

impl HappensBefore {
    /// Begins an execution that differs from the last one from the node `branch` on.
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
        self.atomics.objects.clear();
        self.atomics.last = 0;
    }

    fn keep(&mut self, kept: usize) {
        self.kept = kept;
        self.spare.extend(self.events.drain(kept..));
        self.history.keep(kept);
        for events in &mut self.of_thread {
            while events.pop_if(|event| *event >= kept).is_some() {}
        }
    }

    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }

    pub(super) fn event(&self, index: usize) -> &Event {
        &self.events[index]
    }

    /// Returns the event that was closed last.
    pub(super) fn last_closed(&self) -> Option<&Event> {
        self.events[..self.begun].last()
    }

    fn make_room(&mut self, thread: usize) {
        if self.enabler.len() <= thread {
            self.enabler.resize(thread + 1, None);
            self.last.resize(thread + 1, None);
            self.of_thread.resize(self.of_thread.len().max(thread + 1), Vec::new());
        }
    }

    /// Begins a step of `thread`, chosen by `node`.
    pub(super) fn open(&mut self, thread: u64, node: Option<usize>) {
        let is_barrier = node.is_none();
        let index = self.begun;
        self.begun += 1;
        self.is_open = true;
        self.atomics.place = 0;
        self.make_room(thread as usize);
        let enabler = self.enabler[thread as usize].take();
        if let Some(event) = self.events.get(index) {
            if event.thread == thread && event.node == node {
                return;
            }
            // The program does not repeat itself.
            self.keep(index);
        }
        let mut event = self.spare.pop().unwrap_or_default();
        event.uses.clear();
        event.atomics.clear();
        event.before.clear();
        self.of_thread[thread as usize].push(index);
        self.events.push(Event { thread, node, enabler, is_barrier, ..event });
        if thread == CLOCK {
            self.accessed(CLOCK_OBJECT, Access::Write);
        } else {
            // mistake: cancellation-independent
            self.accessed(UNWINDING | thread, Access::Read);
        }
    }

    /// Notes that the current step accesses an object.
    pub(super) fn accessed(&mut self, object: u64, access: Access) {
        self.numbered = self.numbered.max(numbered(object));
        if !self.is_open {
            return;
        }
        let is_kept = self.begun <= self.kept;
        let event = &mut self.events[self.begun - 1];
        let object = match is_atomic(object) {
            true => self.atomics.object(object, &mut event.atomics, is_kept),
            false => object,
        };
        if is_kept {
            return;
        }
        let access = match access {
            // The first use is `UNWINDING`.
            Access::Look if !self.has_yielded && event.uses[1..].iter().all(Use::is_await) => {
                return;
            }
            // mistake: look-is-no-read
            // mistake: begun-wait-never-counts
            Access::Look => Access::Read,
            access => access,
        };
        merge(&mut event.uses, Use { object, access });
    }

    /// Notes that the current step has made a green thread ready.
    pub(super) fn woke(&mut self, number: u64) {
        self.make_room(number as usize);
        self.enabler[number as usize] = self.begun.checked_sub(1);
    }

    /// Notes that the current step yields where fairness keeps it waiting: the threads that may
    /// go on depend on the order of all steps.
    pub(super) fn yields(&mut self) {
        self.has_yielded = true;
        self.accessed(ALL, Access::Write);
    }

    /// Notes that the current step panics. An execution fails with its first panic, so the order
    /// of panics counts.
    pub(super) fn panicked(&mut self) {
        // mistake: panics-unordered
        self.accessed(FIRST_PANIC, Access::Write);
    }

    /// Ends the current step. If the last execution did not have it, returns its index, and
    /// leaves the events that race with it in `races`.
    pub(super) fn close(&mut self) -> Option<usize> {
        if !std::mem::take(&mut self.is_open) {
            return None;
        }
        let index = self.begun - 1;
        let thread = self.events[index].thread as usize;
        self.races.clear();
        if self.begun > self.kept {
            let mut event = self.events.pop().expect("one is open");
            self.set_clock(index, &mut event);
            self.history.add(index, event.thread, &event.uses);
            self.events.push(event);
        }
        self.last[thread] = Some(index);
        (self.begun > self.kept).then_some(index)
    }

    /// Computes the vector clock of an event.
    fn set_clock(&mut self, index: usize, event: &mut Event) {
        let thread = event.thread as usize;
        if event.is_barrier {
            for &earlier in self.last.iter().flatten() {
                join(&mut event.before, &self.events[earlier].before);
            }
        } else {
            for earlier in [self.last[thread], event.enabler].into_iter().flatten() {
                join(&mut event.before, &self.events[earlier].before);
            }
            self.find_races(event);
        }
        if event.before.len() <= thread {
            event.before.resize(thread + 1, 0);
        }
        event.before[thread] = index + 1;
    }

    /// Returns `true` if the event `earlier` is in the vector clock `before`.
    fn is_before(&self, earlier: usize, before: &[usize]) -> bool {
        let thread = self.events[earlier].thread as usize;
        before.get(thread).is_some_and(|&last| last > earlier)
    }

    /// Finds the events that race with `event`: those that conflict with it, and that no other
    /// event forces to happen before it.
    fn find_races(&mut self, event: &mut Event) {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.history.conflicting(&event.uses, &self.last, &mut candidates);
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.event));
        candidates.dedup_by(|one, kept| {
            let same = one.event == kept.event;
            // A pair is a race if any of its objects makes it one.
            kept.is_race |= same && one.is_race;
            same
        });
        for candidate in &candidates {
            let earlier = candidate.event;
            if self.is_before(earlier, &event.before) {
                continue;
            }
            if candidate.is_race && self.events[earlier].thread != event.thread {
                self.races.push(earlier);
            }
            join(&mut event.before, &self.events[earlier].before);
        }
        self.candidates = candidates;
    }

    /// Returns the threads that can begin the part between `earlier` and `later` that does not
    /// happen after `earlier`: the threads of the events in it before which none of the others
    /// happens.
    pub(super) fn initials(&self, earlier: usize, later: usize) -> impl Iterator<Item = u64> {
        self.of_thread.iter().filter_map(move |events| {
            // Later events of the thread happen after its first one.
            let place = events.partition_point(|&event| event <= earlier);
            let index = events.get(place).copied().filter(|&index| index < later)?;
            let event = &self.events[index];
            let is_first = |&last: &usize| last <= earlier + 1 || last == index + 1;
            let is_initial =
                !self.is_before(earlier, &event.before) && event.before.iter().all(is_first);
            // mistake: all-are-initials
            is_initial.then_some(event.thread)
        })
    }
}

/// Sets `clock` to the later of two vector clocks, green thread by green thread.
fn join(clock: &mut Vec<usize>, other: &[usize]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    for (entry, other) in clock.iter_mut().zip(other) {
        *entry = (*entry).max(*other);
    }
}
