//! Executions drawn at random.

use super::fault::Abort;
use super::strategy::{Candidates, ChoiceStrategy};
use crate::explore::{ChoicePath, Random};

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

    /// Chooses a thread in proportion to the turns that it has left.
    fn by_turns_left(&mut self, ready: &[u64], allowed: &[usize], random: &mut Random) -> usize {
        let left = |this: &mut Sampling, number: u64| {
            let before = this.turns_at_first.get(number as usize).copied().unwrap_or(1);
            let had = this.thread(number).turns;
            // mistake: equal-weights
            before.saturating_sub(had).max(1) as usize
        };
        let total: usize = allowed.iter().map(|&index| left(self, ready[index])).sum();
        let mut drawn = random.below(total);
        for &index in allowed {
            let weight = left(self, ready[index]);
            if drawn < weight {
                return index;
            }
            drawn -= weight;
        }
        unreachable!("the weights add up to the total")
    }

    /// Chooses the thread with the highest priority.
    fn by_priority(&mut self, ready: &[u64], allowed: &[usize], random: &mut Random) -> usize {
        for &number in ready {
            if self.thread(number).priority == 0 {
                let priority = HIGH | random.next();
                self.thread(number).priority = priority;
            }
        }
        loop {
            let priority = |&&index: &&usize| self.threads[ready[index] as usize].priority;
            let index = *allowed.iter().max_by_key(priority).expect("a thread is allowed");
            if !self.lower_priority(ready[index]) {
                return index;
            }
        }
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
        self.changes.clear();
        if let Method::Pct { depth } = self.current {
            let steps = self.steps_at_first.max(1) as usize;
            let change = |_| path.random().below(steps) as u64 + 1;
            self.changes.extend((1..depth).map(change));
            self.changes.sort_unstable();
        }
    }

    fn choose(
        &mut self,
        candidates: &Candidates<'_>,
        path: &mut ChoicePath,
    ) -> Result<usize, Abort> {
        let Candidates { ready, allowed, .. } = *candidates;
        let random = path.random();
        let index = match (allowed, self.current) {
            (&[only], current) => {
                if let Method::Pct { .. } = current {
                    self.lower_priority(ready[only]);
                }
                only
            }
            (_, Method::Random | Method::Portfolio) => allowed[random.below(allowed.len())],
            (_, Method::Uniform) => self.by_turns_left(ready, allowed, random),
            (_, Method::Pct { .. }) => self.by_priority(ready, allowed, random),
        };
        self.count(ready[index]);
        Ok(index)
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
