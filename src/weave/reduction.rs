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

use std::rc::Rc;

use super::order::Order;
use super::used::{Used, conflict, covers, merge};
use crate::access::Access;
use crate::explore::CLOCK;

/// Green threads are bits of sets.
pub(super) const MOST_THREADS: u64 = 64;

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
    used: Rc<[Used]>,
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

#[derive(Default)]
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

#[derive(Default)]
pub(super) struct Reduction {
    nodes: Vec<Node>,
    /// Spare nodes, for their allocations.
    #[expect(clippy::vec_box, reason = "they become nodes as they are")]
    spare: Vec<Box<StepNode>>,
    /// Where the run is in `nodes`.
    depth: usize,
    /// From here on, the execution differs from the one before.
    branch: usize,
    order: Order,
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
}

impl Reduction {
    pub(super) fn begin(&mut self) {
        self.depth = 0;
        self.order.begin(self.branch);
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
            None => match self.new_node(set, ready, allowed) {
                Some(chosen) => chosen,
                None => return Next::Redundant,
            },
        };
        self.order.open(chosen, Some(place));
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

    /// Chooses for the first time here. `None` if all who may go on are asleep.
    fn new_node(&mut self, set: Threads, ready: &[u64], allowed: &[usize]) -> Option<u64> {
        let mut node = self.spare.pop().unwrap_or_default();
        node.tried.clear();
        node.asleep.clear();
        node.used.clear();
        self.fall_asleep(&mut node.asleep);
        let Some(&first) = allowed.iter().find(|&&index| !node.is_asleep(ready[index])) else {
            self.spare.push(node);
            return None;
        };
        node.ready = set;
        node.numbered = self.order.numbered();
        node.chosen = ready[first];
        // Whoever ends the last wait for a deadline takes its step away from the
        // clock: a step that never comes is not found to race.
        node.wanted = bit(ready[first]) | set & bit(CLOCK);
        self.nodes.push(Node::Step(node));
        Some(ready[first])
    }

    /// Those who are asleep below the step that has just been closed.
    fn fall_asleep(&self, asleep: &mut Vec<Tried>) {
        let above = self.nodes.iter().rev().find_map(|node| match node {
            Node::Step(node) => Some(node),
            Node::Value { .. } => None,
        });
        let (Some(above), Some(event)) = (above, self.order.last_closed()) else { return };
        // After the clock everything is new.
        if event.is_barrier {
            return;
        }
        let stays = |tried: &&Tried| {
            tried.thread != event.thread && !conflict(&tried.used, &event.used, tried.numbered)
        };
        asleep.extend(above.asleep.iter().chain(&above.tried).filter(stays).cloned());
    }

    /// The step that runs uses an object.
    pub(super) fn used(&mut self, object: u64, access: Access) {
        self.order.used(object, access);
    }

    /// The step that runs has made a green thread ready.
    pub(super) fn woke(&mut self, number: u64) {
        if number < MOST_THREADS {
            self.order.woke(number);
        }
    }

    /// See [`Order::yields`].
    pub(super) fn yields(&mut self) {
        self.order.yields();
    }

    /// See [`Order::panicked`].
    pub(super) fn panicked(&mut self) {
        self.order.panicked();
    }

    /// Nobody can run, and time passes.
    pub(super) fn time_passed(&mut self) {
        self.close_event();
        self.order.open(CLOCK, None);
    }

    /// The execution is over.
    pub(super) fn end(&mut self) {
        self.close_event();
    }

    /// The step that has run is over.
    fn close_event(&mut self) {
        // Those of an execution that was the same up to here have been seen to.
        let Some(index) = self.order.close() else { return };
        let event = self.order.event(index);
        if let Some(Node::Step(node)) = event.node.map(|node| &mut self.nodes[node]) {
            for &used in &event.used {
                merge(&mut node.used, used);
            }
        }
        for race in 0..self.order.races.len() {
            self.reverse(self.order.races[race], index);
        }
    }

    /// Sees to it that an execution is tried in which the event `later` comes
    /// before `earlier`, which it races with.
    fn reverse(&mut self, earlier: usize, later: usize) {
        let Some(place) = self.order.event(earlier).node else { return };
        // Those who can begin the part that does not depend on `earlier`. What `later`
        // is after another beginning is not known: it begins only if nothing else can.
        let mut initials: Threads = 0;
        self.order.each_apart(earlier, later, |event, is_first| {
            if is_first {
                initials |= bit(event.thread);
            }
        });
        let Node::Step(node) = &mut self.nodes[place] else { return };
        if initials == 0 {
            let later = self.order.event(later);
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
            if let Some(Node::Step(node)) = self.nodes.pop() {
                self.spare.push(node);
            }
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
    /// The step of `chosen` has been tried: chooses the next one that is wanted. Returns
    /// `false` if there is none.
    fn go_on(&mut self) -> bool {
        let tried = self.tried.iter().fold(bit(self.chosen), |set, tried| set | bit(tried.thread));
        let left = self.asleep.iter().fold(self.wanted & !tried, |set, it| set & !bit(it.thread));
        if left == 0 {
            // The node is given up, so what the step has used need not be kept.
            return false;
        }
        let used = Rc::from(&self.used[..]);
        self.used.clear();
        self.tried.push(Tried { thread: self.chosen, used, numbered: self.numbered });
        self.chosen = u64::from(left.trailing_zeros());
        true
    }
}
