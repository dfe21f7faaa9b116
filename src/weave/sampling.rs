//! Executions drawn at random.

use std::collections::BinaryHeap;

use super::fault::Abort;
use super::line::Line;
use super::strategy::{Candidates, ChoiceStrategy};
use crate::explore::{ChoicePath, EnabledSet};
use crate::runtime::random::Random;

/// The entries that the heap may have beyond twice the enabled threads before it is rebuilt.
const SPARE_ENTRIES: usize = 64;

/// The way in which executions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Each choice is uniformly distributed.
    Random,
    /// The executions are uniformly distributed as far as can be told: each green thread is
    /// chosen in proportion to the turns that it has left.
    Uniform,
    /// Probabilistic concurrency testing: priorities that change at random steps (Burckhardt,
    /// Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of
    /// finding bugs", ASPLOS 2010). Finds a bug of this depth among n green threads and k steps
    /// with a probability of at least 1 / (n k^(depth - 1)).
    Pct { depth: u32 },
    /// Each of the other methods in turn.
    Portfolio,
}

pub(super) struct Sampling {
    method: Method,
    seed: u64,
    /// The method of this execution.
    current: Method,
    steps: u64,
    threads: Vec<ThreadState>,
    /// The enabled threads, by [`Method::Uniform`] weighted with the turns that they have left.
    line: Line,
    /// The priorities and numbers of enabled threads, for [`Method::Pct`]. An entry counts as long
    /// as the thread is enabled and has this priority.
    heap: BinaryHeap<(u64, u64)>,
    /// The enabled threads that have no priority yet, in the order of the line.
    newcomers: Vec<u64>,
    /// The steps at which the priority of the thread that would run falls.
    changes: Vec<u64>,
    /// The index of this execution.
    index: u64,
    /// The number of steps of the first execution.
    steps_at_first: u64,
    /// The number of turns of each green thread in the first execution, by its number.
    turns_at_first: Vec<u32>,
}

/// The state of a green thread in this execution, by its number.
#[derive(Clone, Copy, Default)]
struct ThreadState {
    turns: u32,
    /// Zero if the thread has not been enabled yet.
    priority: u64,
}

/// The bit that initial priorities have, and lowered ones have not.
const HIGH: u64 = 1 << 63;

impl Sampling {
    pub(super) fn new(method: Method, seed: u64) -> Sampling {
        Sampling {
            method,
            seed,
            current: method,
            steps: 0,
            threads: Vec::new(),
            line: Line::default(),
            heap: BinaryHeap::new(),
            newcomers: Vec::new(),
            changes: Vec::new(),
            index: 0,
            steps_at_first: 0,
            turns_at_first: Vec::new(),
        }
    }

    /// Counts a step of this green thread.
    fn count(&mut self, number: u64) {
        self.steps += 1;
        self.thread(number).turns += 1;
    }

    fn thread(&mut self, number: u64) -> &mut ThreadState {
        let index = number as usize;
        if index >= self.threads.len() {
            self.threads.resize(index + 1, ThreadState::default());
        }
        &mut self.threads[index]
    }

    /// Notes that a thread has become enabled, and returns its weight in the line.
    fn arrives(&mut self, number: u64) -> u64 {
        match self.current {
            Method::Uniform => self.turns_left(number),
            Method::Pct { .. } => {
                match self.thread(number).priority {
                    0 => self.newcomers.push(number),
                    priority => self.heap.push((priority, number)),
                }
                1
            }
            Method::Random | Method::Portfolio => 1,
        }
    }

    /// Removes the entries that do not count, and those that are there twice.
    fn rebuild_heap(&mut self) {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        entries.retain(|&(priority, number)| {
            self.line.contains(number) && self.threads[number as usize].priority == priority
        });
        entries.sort_unstable();
        entries.dedup();
        self.heap = entries.into();
    }

    /// Returns the turns that a thread has left, as far as can be told, and at least one.
    fn turns_left(&mut self, number: u64) -> u64 {
        let before = self.turns_at_first.get(number as usize).copied().unwrap_or(1);
        let had = self.thread(number).turns;
        // mistake: equal-weights
        before.saturating_sub(had).max(1).into()
    }

    /// Chooses a thread in proportion to its weight.
    fn by_weight(&mut self, waiting: &[u64], random: &mut Random) -> u64 {
        let weights: Vec<u64> =
            waiting.iter().map(|&number| self.line.set_weight(number, 0)).collect();
        let drawn = random.below(self.line.total_weight() as usize);
        let number = self.line.at_weight(drawn as u64);
        for (&number, weight) in waiting.iter().zip(weights) {
            self.line.set_weight(number, weight);
        }
        number
    }

    /// Chooses the thread with the highest priority.
    fn by_priority(&mut self, waiting: &[u64], random: &mut Random) -> u64 {
        for number in std::mem::take(&mut self.newcomers) {
            let priority = HIGH | random.next();
            self.thread(number).priority = priority;
            self.heap.push((priority, number));
        }
        let mut passed_over = Vec::new();
        let chosen = loop {
            let (priority, number) = self.heap.pop().expect("a thread is allowed");
            if !self.line.contains(number) || self.thread(number).priority != priority {
                continue;
            }
            if waiting.contains(&number) {
                passed_over.push((priority, number));
            } else if self.lower_priority(number) {
                let priority = self.thread(number).priority;
                self.heap.push((priority, number));
            } else {
                break number;
            }
        };
        self.heap.extend(passed_over);
        chosen
    }

    /// Lowers the priority of the thread that would have the next step, and returns `true`, if
    /// priorities change at that step.
    fn lower_priority(&mut self, number: u64) -> bool {
        let step = self.steps + 1;
        // mistake: priorities-stay
        let Some(place) = self.changes.iter().position(|&change| change == step) else {
            return false;
        };
        // The first change lowers to the highest of the low priorities.
        self.changes[place] = 0;
        let low = (self.changes.len() - place) as u64;
        self.thread(number).priority = low;
        true
    }
}

impl ChoiceStrategy for Sampling {
    /// Begins an execution. Its choices depend on its index, on the seed, and for some methods on
    /// the length of the first execution. So an execution can be repeated, whichever others have
    /// been run.
    fn begin(&mut self, index: u64, path: &mut ChoicePath) {
        self.index = index;
        if index == 0 {
            self.steps_at_first = 0;
            self.turns_at_first.clear();
        }
        // mistake: same-random-numbers
        path.draw(Random::new(self.seed ^ index.wrapping_mul(0xd134_2543_de82_ef95)));
        self.current = match self.method {
            Method::Portfolio => match index % 4 {
                0 => Method::Random,
                1 => Method::Uniform,
                2 => Method::Pct { depth: 2 },
                _ => Method::Pct { depth: 3 },
            },
            method => method,
        };
        self.steps = 0;
        self.threads.clear();
        self.line.clear();
        self.heap.clear();
        self.newcomers.clear();
        self.changes.clear();
        if let Method::Pct { depth } = self.current {
            let steps = self.steps_at_first.max(1) as usize;
            let change = |_| path.random().below(steps) as u64 + 1;
            self.changes.extend((1..depth).map(change));
            self.changes.sort_unstable();
        }
    }

    fn choose(&mut self, _: &Candidates<'_>, _: &mut ChoicePath) -> Result<usize, Abort> {
        unreachable!("the path or `choose_in_line` chooses")
    }

    fn follow(&mut self, enabled: &EnabledSet<'_>) -> Option<&Line> {
        if self.leaves_choices_to_path() {
            return None;
        }
        let mut line = std::mem::take(&mut self.line);
        line.follow(enabled, |number| self.arrives(number));
        self.line = line;
        if self.heap.len() > 2 * self.line.len() + SPARE_ENTRIES {
            self.rebuild_heap();
        }
        Some(&self.line)
    }

    fn choose_in_line(
        &mut self,
        only: Option<u64>,
        waiting: &[u64],
        random: &mut Random,
    ) -> (u64, usize) {
        let number = match (only, self.current) {
            (Some(only), current) => {
                if let Method::Pct { .. } = current {
                    if self.thread(only).priority == 0 {
                        self.newcomers.retain(|&number| number != only);
                    }
                    self.lower_priority(only);
                }
                only
            }
            (None, Method::Pct { .. }) => self.by_priority(waiting, random),
            (None, _) => self.by_weight(waiting, random),
        };
        let place = self.line.rank(number);
        self.line.leave(number);
        self.count(number);
        (number, place)
    }

    fn end(&mut self, path: &ChoicePath) -> Option<Abort> {
        if self.index == 0 {
            // mistake: priorities-change-early
            self.steps_at_first = path.steps();
            self.turns_at_first.extend(self.threads.iter().map(|thread| thread.turns));
        }
        None
    }

    fn advance(&mut self) -> bool {
        true
    }

    /// Returns `true` if steps without a choice do not count.
    fn leaves_choices_to_path(&self) -> bool {
        self.method == Method::Random
    }

    fn learns(&self) -> bool {
        self.method != Method::Random
    }
}
