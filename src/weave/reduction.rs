//! One execution of each kind: partial-order reduction.
//!
//! Two executions are of one kind if the one becomes the other by exchanging
//! neighbouring steps that have nothing to do with each other. One of each kind is
//! enough, if green threads share nothing but what they operate on.
//!
//! This is dynamic partial-order reduction with source sets and sleep sets
//! (Abdulla, Aronis, Jonsson, Sagonas, "Optimal dynamic partial order reduction",
//! POPL 2014, algorithm 1; after Flanagan and Godefroid, POPL 2005, and Godefroid's
//! sleep sets). An execution is run to its end; then each pair of steps that
//! conflict, and of which nothing in between forces the order, is a race, and the
//! tree gets a branch at the first of the two in which the second comes before it.
//!
//! A step is all that a green thread does between two switches, so it may use many
//! objects. That a step enables another, by waking or spawning its green thread, is
//! no race: it could not be otherwise.

use super::used::{Used, conflict, covers, merge, numbered};
use crate::runtime::{Access, CLOCK};

/// Green threads are bits of sets.
pub(super) const MOST_THREADS: u64 = 64;

/// Every step reads this of its own green thread, as one that is to be unwound
/// finds out wherever it goes on.
const UNWINDING: u64 = 3 << 60;

/// The clock, which its own steps write.
const CLOCK_OBJECT: u64 = 6 << 60;

/// What is told of an execution that fails: the panic that came first.
const FIRST_PANIC: u64 = 15 << 60;

/// An object that every step uses which depends on all others.
const ALL: u64 = u64::MAX;

type Threads = u64;

fn bit(thread: u64) -> Threads {
    1 << thread
}

/// What is asked of the reduction at a choice.
pub(super) enum Next {
    Index(usize),
    /// All that can go on from here has been tried elsewhere.
    Redundant,
    /// The program does not repeat itself.
    Differs,
    TooMany,
}

/// A step that has been tried from a node, with what it used there, and how many
/// objects had been used before.
#[derive(Clone)]
struct Tried {
    thread: u64,
    used: Vec<Used>,
    numbered: u64,
}

enum Node {
    Step(Box<StepNode>),
    /// An alternative that the step above takes.
    Value {
        taken: usize,
        of: usize,
    },
}

struct StepNode {
    ready: Threads,
    /// How many objects had been used before.
    numbered: u64,
    chosen: u64,
    /// Those whose steps must be tried from here, and those that have been.
    wanted: Threads,
    tried: Vec<Tried>,
    /// Whose steps need not be tried, since that was done above.
    asleep: Vec<Tried>,
    /// What the step of `chosen` has used so far, in all its alternatives.
    used: Vec<Used>,
}

/// A step of the execution that runs.
struct Event {
    thread: u64,
    /// The node that chose it; none for the clock when nobody could run.
    node: Option<usize>,
    /// The event that made its green thread ready, if it had to be.
    enabler: Option<usize>,
    used: Vec<Used>,
    /// For each green thread, one more than the last of its events that comes
    /// before this, or is this, in every execution of the kind.
    before: Vec<usize>,
    /// It depends on everything before it, and everything after it on it.
    is_barrier: bool,
}

#[derive(Default)]
pub(super) struct Reduction {
    nodes: Vec<Node>,
    /// Where the run is in `nodes`.
    depth: usize,
    /// From here on, the execution differs from the one before.
    branch: usize,
    events: Vec<Event>,
    /// Spare events, for their allocations.
    spare: Vec<Event>,
    /// The last event of each green thread.
    last: Vec<Option<usize>>,
    /// Who made each ready, since its last event.
    enabler: Vec<Option<usize>>,
    /// The events that used each object since the last write, with that.
    history: super::used::History,
    /// How many objects have been used.
    numbered: u64,
    /// Somebody has yielded where that keeps it waiting. Then every step counts, if
    /// only as a turn.
    has_yielded: bool,
    is_open: bool,
}

impl StepNode {
    fn is_asleep(&self, thread: u64) -> bool {
        self.asleep.iter().any(|tried| tried.thread == thread)
    }

    /// The step of one that sleeps here is another, after the one that has been tried
    /// from here, if it has used this. What it would have used is in no race then,
    /// so that it must be tried from here.
    fn wake_if_other(&mut self, thread: u64, used: &[Used]) {
        self.asleep
            .retain(|tried| tried.thread != thread || covers(used, &tried.used, tried.numbered));
    }

    fn has_tried(&self, thread: u64) -> bool {
        self.tried.iter().any(|tried| tried.thread == thread)
    }
}

impl Reduction {
    pub(super) fn begin(&mut self) {
        self.depth = 0;
        self.spare.append(&mut self.events);
        self.last.clear();
        self.enabler.clear();
        self.history.clear();
        self.numbered = 0;
        self.has_yielded = false;
        self.is_open = false;
    }

    pub(super) fn choose(&mut self, ready: &[u64], allowed: &[usize]) -> Next {
        self.close_event();
        let mut set = 0;
        for &index in allowed {
            if ready[index] >= MOST_THREADS {
                return Next::TooMany;
            }
            set |= bit(ready[index]);
        }
        let place = self.depth;
        self.depth += 1;
        let chosen = match self.nodes.get(place) {
            Some(Node::Step(node)) if node.ready == set => node.chosen,
            Some(_) => return Next::Differs,
            None => {
                let asleep = self.fall_asleep(place);
                let is_awake =
                    |&&index: &&usize| asleep.iter().all(|tried| tried.thread != ready[index]);
                let Some(&first) = allowed.iter().find(is_awake) else {
                    return Next::Redundant;
                };
                let chosen = ready[first];
                // Whoever ends the last wait for a deadline takes its step away from
                // the clock: a step that never comes is not found to race.
                let clock = set & bit(CLOCK);
                self.nodes.push(Node::Step(Box::new(StepNode {
                    ready: set,
                    numbered: self.numbered,
                    chosen,
                    wanted: bit(chosen) | clock,
                    tried: Vec::new(),
                    asleep,
                    used: Vec::new(),
                })));
                chosen
            }
        };
        self.open_event(chosen, Some(place), false);
        let place = ready.iter().position(|&number| number == chosen);
        Next::Index(place.expect("it is ready"))
    }

    pub(super) fn alternative(&mut self, count: usize) -> Option<usize> {
        let place = self.depth;
        self.depth += 1;
        match self.nodes.get(place) {
            Some(Node::Value { taken, of }) => (*of == count).then_some(*taken),
            Some(Node::Step(_)) => None,
            None => {
                self.nodes.push(Node::Value { taken: 0, of: count });
                Some(0)
            }
        }
    }

    /// Those who are asleep below the step that has just been closed.
    fn fall_asleep(&self, place: usize) -> Vec<Tried> {
        let above = self.nodes[..place].iter().rev().find_map(|node| match node {
            Node::Step(node) => Some(node),
            Node::Value { .. } => None,
        });
        let (Some(above), Some(event)) = (above, self.events.last()) else { return Vec::new() };
        // After the clock everything is new.
        if event.is_barrier {
            return Vec::new();
        }
        let stays = |tried: &&Tried| {
            tried.thread != event.thread && !conflict(&tried.used, &event.used, tried.numbered)
        };
        above.asleep.iter().chain(&above.tried).filter(stays).cloned().collect()
    }

    fn open_event(&mut self, thread: u64, node: Option<usize>, is_barrier: bool) {
        let index = thread as usize;
        if self.enabler.len() <= index {
            self.enabler.resize(index + 1, None);
            self.last.resize(index + 1, None);
        }
        let mut event = self.spare.pop().unwrap_or_else(|| Event {
            thread,
            node,
            enabler: None,
            used: Vec::new(),
            before: Vec::new(),
            is_barrier,
        });
        event.thread = thread;
        event.node = node;
        event.enabler = self.enabler[index].take();
        event.is_barrier = is_barrier;
        event.used.clear();
        event.before.clear();
        self.events.push(event);
        self.is_open = true;
        if thread == CLOCK {
            self.used(CLOCK_OBJECT, Access::Write);
        } else {
            self.used(UNWINDING | thread, Access::Read);
        }
    }

    /// The step that runs uses an object.
    pub(super) fn used(&mut self, object: u64, access: Access) {
        self.numbered = self.numbered.max(numbered(object));
        let Some(event) = self.events.last_mut().filter(|_| self.is_open) else { return };
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
        let index = number as usize;
        if number >= MOST_THREADS {
            return;
        }
        if self.enabler.len() <= index {
            self.enabler.resize(index + 1, None);
            self.last.resize(index + 1, None);
        }
        self.enabler[index] = self.events.len().checked_sub(1);
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

    /// Nobody can run, and time passes.
    pub(super) fn time_passed(&mut self) {
        self.close_event();
        self.open_event(CLOCK, None, true);
    }

    /// The execution is over.
    pub(super) fn end(&mut self) {
        self.close_event();
    }

    /// The step that has run is over: finds its races.
    fn close_event(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let index = self.events.len() - 1;
        let mut event = self.events.pop().expect("one is open");
        self.clock_before(&mut event);
        let mut races = Vec::new();
        if event.is_barrier {
            for earlier in 0..index {
                join(&mut event.before, &self.events[earlier].before);
            }
        } else {
            self.find_races(index, &mut event, &mut races);
        }
        let thread = event.thread as usize;
        if event.before.len() <= thread {
            event.before.resize(thread + 1, 0);
        }
        event.before[thread] = index + 1;
        if let Some(Node::Step(node)) = event.node.map(|node| &mut self.nodes[node]) {
            for &used in &event.used {
                merge(&mut node.used, used);
            }
        }
        self.history.add(index, &event.used);
        self.last[thread] = Some(index);
        let is_new = event.node.is_some_and(|node| node >= self.branch);
        self.events.push(event);
        // Those of an execution that was the same up to here have been seen to.
        if is_new {
            for earlier in races {
                self.reverse(earlier, index);
            }
        }
    }

    fn clock_before(&self, event: &mut Event) {
        for earlier in [self.last[event.thread as usize], event.enabler].into_iter().flatten() {
            join(&mut event.before, &self.events[earlier].before);
        }
    }

    fn comes_before(&self, earlier: usize, before: &[usize]) -> bool {
        let thread = self.events[earlier].thread as usize;
        before.get(thread).is_some_and(|&last| last > earlier)
    }

    /// Finds the events that `event` races with: those that conflict with it, and
    /// of which no other event forces that they come before it.
    fn find_races(&self, index: usize, event: &mut Event, races: &mut Vec<usize>) {
        let mut candidates = self.history.conflicting(index, &event.used);
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.event));
        candidates.dedup_by(|one, kept| {
            let same = one.event == kept.event;
            // A pair is a race if any of its objects makes it one.
            kept.is_race |= same && one.is_race;
            same
        });
        for candidate in candidates {
            let earlier = candidate.event;
            if self.comes_before(earlier, &event.before) {
                continue;
            }
            if candidate.is_race && self.events[earlier].thread != event.thread {
                races.push(earlier);
            }
            let clock = &self.events[earlier].before;
            join(&mut event.before, clock);
        }
    }

    /// Sees to it that an execution is tried in which the event `later` comes
    /// before `earlier`, which it races with.
    fn reverse(&mut self, earlier: usize, later: usize) {
        let Some(place) = self.events[earlier].node else { return };
        let thread = self.events[earlier].thread;
        // Those who can begin the part that does not depend on `earlier`. What `later`
        // is after another beginning is not known: it begins only if nothing else can.
        let mut initials: Threads = 0;
        let mut part: Vec<usize> = Vec::new();
        for index in (earlier + 1)..later {
            let event = &self.events[index];
            let depends = event.before.get(thread as usize).is_some_and(|&last| last > earlier);
            if depends {
                continue;
            }
            let is_first = part.iter().all(|&other| {
                let own = self.events[other].thread;
                own != event.thread && !self.comes_before(other, &event.before)
            });
            if is_first {
                initials |= bit(event.thread);
            }
            part.push(index);
        }
        let Node::Step(node) = &mut self.nodes[place] else { return };
        if part.is_empty() {
            let later = &self.events[later];
            initials = bit(later.thread);
            node.wake_if_other(later.thread, &later.used);
        }
        let known = node.asleep.iter().fold(node.wanted, |set, tried| set | bit(tried.thread));
        let possible = initials & node.ready;
        if initials & known == 0 {
            // Any of them will do.
            node.wanted |= possible & possible.wrapping_neg();
        }
    }

    /// Goes to the next execution. False if there is none.
    pub(super) fn advance(&mut self) -> bool {
        while let Some(last) = self.nodes.last_mut() {
            let place = match last {
                Node::Value { taken, of } if *taken + 1 < *of => {
                    *taken += 1;
                    true
                }
                Node::Value { .. } => false,
                Node::Step(node) => node.go_on(),
            };
            if place {
                // The step that a value belongs to is new, too.
                let is_step = |node: &Node| matches!(node, Node::Step(_));
                self.branch = self.nodes.iter().rposition(is_step).unwrap_or(0);
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    /// How much of the tree, as far as it is known, has been gone through.
    pub(super) fn progress(&self) -> f64 {
        let mut share = 1.0;
        let mut done = 0.0;
        for node in &self.nodes {
            let (tried, of) = match node {
                Node::Value { taken, of } => (*taken as f64, *of as f64),
                Node::Step(node) => {
                    (node.tried.len() as f64, f64::from(node.wanted.count_ones().max(1)))
                }
            };
            share /= of;
            done += share * tried;
        }
        done.min(1.0)
    }
}

impl StepNode {
    /// The step of the chosen one has been tried: chooses the next that is wanted.
    fn go_on(&mut self) -> bool {
        let used = std::mem::take(&mut self.used);
        self.tried.push(Tried { thread: self.chosen, used, numbered: self.numbered });
        let next = (0..MOST_THREADS).find(|&thread| {
            self.wanted & bit(thread) != 0 && !self.has_tried(thread) && !self.is_asleep(thread)
        });
        match next {
            Some(thread) => {
                self.chosen = thread;
                true
            }
            None => false,
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
