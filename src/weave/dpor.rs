//! Partial-order reduction: explores one execution of each equivalence class.
//!
//! Two executions are equivalent if one becomes the other by exchanging neighbouring steps that
//! are independent. One execution of each class is enough if green threads share nothing but the
//! objects that they access.
//!
//! This is dynamic partial-order reduction with source sets and sleep sets (Abdulla, Aronis,
//! Jonsson, Sagonas, "Optimal dynamic partial order reduction", POPL 2014, algorithm 1; after
//! Flanagan and Godefroid, POPL 2005, and Godefroid's sleep sets). An execution is run to its
//! end. Two conflicting steps are a race if no step in between forces their order:
//! the node of the earlier step gets a branch in which the later step comes first.
//!
//! A step is all that a green thread does between two switches, so it may access many objects.
//! A step that enables another by waking or spawning its green thread does not race with it: the
//! opposite order is impossible.

use std::rc::Rc;

use super::dependence::{Use, conflict, covers, merge};
use super::fault::Abort;
use super::happens_before::HappensBefore;
use super::strategy::{Candidates, ChoiceStrategy};
use crate::access::Access;
use crate::explore::{CLOCK, ChoicePath};

/// Green threads are bits of sets.
pub(super) const MOST_THREADS: u64 = 64;

type Threads = u64;

fn bit(thread: u64) -> Threads {
    1 << thread
}

/// A step that has been explored from a node: the objects that it uses there, and the number of
/// objects that had been used before.
#[derive(Clone)]
struct SleepEntry {
    thread: u64,
    uses: Rc<[Use]>,
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
    enabled: Threads,
    /// The number of objects that had been used before.
    numbered: u64,
    chosen: u64,
    /// The backtrack set: the threads that must have a step explored from here.
    backtrack: Threads,
    /// The steps that have been explored from here.
    explored: Vec<SleepEntry>,
    /// The sleep set: steps that need not be explored here, since they were explored above.
    sleep: Vec<SleepEntry>,
    /// The uses of the step of `chosen` so far, in all its alternatives.
    uses: Vec<Use>,
}

#[derive(Default)]
pub(super) struct Dpor {
    nodes: Vec<Node>,
    /// Spare nodes, for their allocations.
    #[expect(clippy::vec_box, reason = "a spare node becomes a node without a copy")]
    spare: Vec<Box<StepNode>>,
    /// The place in `nodes` that the execution has reached.
    depth: usize,
    /// The first node at which the execution differs from the last one.
    branch: usize,
    happens_before: HappensBefore,
}

impl StepNode {
    fn is_asleep(&self, thread: u64) -> bool {
        self.sleep.iter().any(|entry| entry.thread == thread)
    }

    /// Removes the thread from the sleep set if its step is another one after the step that has
    /// been explored from here, which is so if it has used other objects. The objects that the
    /// sleeping step would have used appear in no race then, so it must be explored from here.
    fn wake_if_other(&mut self, thread: u64, uses: &[Use]) {
        self.sleep
            .retain(|entry| entry.thread != thread || covers(uses, &entry.uses, entry.numbered));
    }

    /// Chooses the next thread of the backtrack set, after the step of `chosen` has been
    /// explored. Returns `false` if there is none.
    fn advance(&mut self) -> bool {
        let explored =
            self.explored.iter().fold(bit(self.chosen), |set, entry| set | bit(entry.thread));
        let left = self
            .sleep
            .iter()
            .fold(self.backtrack & !explored, |set, entry| set & !bit(entry.thread));
        if left == 0 {
            // The node is removed, so the uses of the step need not be kept.
            return false;
        }
        let uses = Rc::from(&self.uses[..]);
        self.uses.clear();
        self.explored.push(SleepEntry { thread: self.chosen, uses, numbered: self.numbered });
        self.chosen = u64::from(left.trailing_zeros());
        true
    }
}

impl Dpor {
    /// Adds a node, and returns the thread that it chooses. Returns `None` if all `allowed`
    /// threads are in the sleep set.
    fn new_node(&mut self, set: Threads, ready: &[u64], allowed: &[usize]) -> Option<u64> {
        let mut node = self.spare.pop().unwrap_or_default();
        node.explored.clear();
        node.sleep.clear();
        node.uses.clear();
        self.inherit_sleep_set(&mut node.sleep);
        let Some(&first) = allowed.iter().find(|&&index| !node.is_asleep(ready[index])) else {
            self.spare.push(node);
            return None;
        };
        node.enabled = set;
        node.numbered = self.happens_before.numbered();
        node.chosen = ready[first];
        // The step that ends the last wait for a deadline takes away the step of the clock. A
        // step that never comes is in no race, so the clock is always in the backtrack set.
        // mistake: clock-not-explored
        node.backtrack = bit(ready[first]) | set & bit(CLOCK);
        self.nodes.push(Node::Step(node));
        Some(ready[first])
    }

    /// Fills the sleep set of the node below the last step.
    fn inherit_sleep_set(&self, sleep: &mut Vec<SleepEntry>) {
        let above = self.nodes.iter().rev().find_map(|node| match node {
            Node::Step(node) => Some(node),
            Node::Value { .. } => None,
        });
        let last = self.happens_before.last_closed();
        let (Some(above), Some(event)) = (above, last) else { return };
        // A step of the clock depends on all steps, so it empties the sleep set.
        if event.is_barrier {
            return;
        }
        // mistake: sleeps-for-ever
        let stays = |entry: &&SleepEntry| {
            entry.thread != event.thread && !conflict(&entry.uses, &event.uses, entry.numbered)
        };
        sleep.extend(above.sleep.iter().chain(&above.explored).filter(stays).cloned());
    }

    /// Ends the current step, and adds a branch for each of its races.
    fn close_event(&mut self) {
        // The events that the last execution has in common have been handled there.
        let Some(index) = self.happens_before.close() else { return };
        let event = self.happens_before.event(index);
        if let Some(Node::Step(node)) = event.node.map(|node| &mut self.nodes[node]) {
            for &new in &event.uses {
                merge(&mut node.uses, new);
            }
        }
        for race in 0..self.happens_before.races.len() {
            self.reverse(self.happens_before.races[race], index);
        }
    }

    /// Ensures that an execution is explored in which the event `later` comes before `earlier`,
    /// with which it races.
    fn reverse(&mut self, earlier: usize, later: usize) {
        // mistake: branch-at-later
        let Some(place) = self.happens_before.event(earlier).node else { return };
        // The initials: the threads that can begin the part that is independent of `earlier`.
        // The step `later` may differ after another beginning, so it begins only if no other
        // thread can.
        let initials = self.happens_before.initials(earlier, later);
        let mut initials = initials.fold(0, |set, thread| set | bit(thread));
        let Node::Step(node) = &mut self.nodes[place] else { return };
        if initials == 0 {
            let later = self.happens_before.event(later);
            initials = bit(later.thread);
            // mistake: other-step-asleep
            node.wake_if_other(later.thread, &later.uses);
        }
        let known = node.sleep.iter().fold(node.backtrack, |set, entry| set | bit(entry.thread));
        let possible = initials & node.enabled;
        if initials & known == 0 {
            // A source set needs any one of the initials.
            node.backtrack |= possible & possible.wrapping_neg();
        }
    }
}

impl ChoiceStrategy for Dpor {
    fn begin(&mut self, _index: u64, path: &mut ChoicePath) {
        path.start();
        self.depth = 0;
        self.happens_before.begin(self.branch);
    }

    fn choose(
        &mut self,
        candidates: &Candidates<'_>,
        path: &mut ChoicePath,
    ) -> Result<usize, Abort> {
        let Candidates { ready, allowed, .. } = *candidates;
        self.close_event();
        let mut set = 0;
        for &index in allowed {
            if ready[index] >= MOST_THREADS {
                return Err(Abort::TooMany);
            }
            set |= bit(ready[index]);
        }
        let place = self.depth;
        self.depth += 1;
        let chosen = match self.nodes.get(place) {
            Some(Node::Step(node)) if node.enabled == set => node.chosen,
            Some(_) => return Err(Abort::Differs { after: path.made().len() }),
            None => self.new_node(set, ready, allowed).ok_or(Abort::Redundant)?,
        };
        self.happens_before.open(chosen, Some(place));
        let place = ready.iter().position(|&number| number == chosen);
        Ok(place.expect("the chosen thread is enabled"))
    }

    fn alternative(&mut self, count: usize, path: &mut ChoicePath) -> Result<usize, Abort> {
        let place = self.depth;
        self.depth += 1;
        match self.nodes.get(place) {
            Some(Node::Value { taken, of }) if *of == count => Ok(*taken),
            Some(_) => Err(Abort::Differs { after: path.made().len() }),
            None => {
                self.nodes.push(Node::Value { taken: 0, of: count });
                Ok(0)
            }
        }
    }

    fn end(&mut self, _path: &ChoicePath) -> Option<Abort> {
        self.close_event();
        None
    }

    fn advance(&mut self) -> bool {
        while let Some(last) = self.nodes.last_mut() {
            let has_next = match last {
                Node::Value { taken, of } if *taken + 1 < *of => {
                    *taken += 1;
                    true
                }
                Node::Value { .. } => false,
                Node::Step(node) => node.advance(),
            };
            if has_next {
                // The step that takes another alternative differs as well.
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

    fn observes_operations(&self) -> bool {
        true
    }

    /// Returns the explored share of the tree as far as it is known.
    fn progress(&self) -> f64 {
        let mut share = 1.0;
        let mut done = 0.0;
        for node in &self.nodes {
            let (explored, of) = match node {
                Node::Value { taken, of } => (*taken as f64, *of as f64),
                Node::Step(node) => {
                    (node.explored.len() as f64, f64::from(node.backtrack.count_ones().max(1)))
                }
            };
            share /= of;
            done += share * explored;
        }
        done.min(1.0)
    }

    fn accessed(&mut self, object: u64, access: Access) {
        self.happens_before.accessed(object, access);
    }

    fn woke(&mut self, number: u64) {
        if number < MOST_THREADS {
            self.happens_before.woke(number);
        }
    }

    fn yields(&mut self) {
        self.happens_before.yields();
    }

    fn panicked(&mut self) {
        self.happens_before.panicked();
    }

    fn time_passed(&mut self) {
        self.close_event();
        self.happens_before.open(CLOCK, None);
    }
}
