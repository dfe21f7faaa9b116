//! Executions drawn by chance.

use crate::explore::{ChoicePath, Random};

/// How an execution is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// At each choice, all are equally likely.
    Random,
    /// All interleavings are equally likely, as far as can be told: each green
    /// thread is chosen in proportion to the turns that it has left.
    Uniform,
    /// By priorities that change at random moments: PCT (Burckhardt, Kothari,
    /// Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic
    /// guarantees of finding bugs", ASPLOS 2010). It finds a bug of this depth
    /// among n green threads and k steps with a probability of at least
    /// 1 / (n k^(depth - 1)).
    Pct { depth: u32 },
    /// Each of the others in turn.
    Portfolio,
}

pub(super) struct Sampling {
    kind: Kind,
    seed: u64,
    /// Of this execution.
    current: Kind,
    steps: u64,
    threads: Vec<Drawn>,
    /// The steps at which the priority of whoever would run falls.
    changes: Vec<u64>,
    /// The index of this execution.
    index: u64,
    /// How many steps the first execution had.
    steps_at_first: u64,
    /// How many turns each green thread had in the first execution, by its number.
    turns_at_first: Vec<u32>,
}

/// What is kept of one green thread, by its number.
#[derive(Clone, Copy, Default)]
struct Drawn {
    turns: u32,
    /// Zero if it has not been seen.
    priority: u64,
}

/// Above all priorities that have fallen.
const HIGH: u64 = 1 << 63;

impl Sampling {
    pub(super) fn new(kind: Kind, seed: u64) -> Sampling {
        Sampling {
            kind,
            seed,
            current: kind,
            steps: 0,
            threads: Vec::new(),
            changes: Vec::new(),
            index: 0,
            steps_at_first: 0,
            turns_at_first: Vec::new(),
        }
    }

    /// The execution with this index begins: what it does depends on that, on the
    /// seed, and for some kinds on how long the first was. So it can be repeated, and
    /// it makes no difference which others have been run.
    pub(super) fn begin(&mut self, index: u64, track: &mut ChoicePath) {
        self.index = index;
        if index == 0 {
            self.steps_at_first = 0;
            self.turns_at_first.clear();
        }
        track.draw(Random::new(self.seed ^ index.wrapping_mul(0xd134_2543_de82_ef95)));
        self.current = match self.kind {
            Kind::Portfolio => match index % 4 {
                0 => Kind::Random,
                1 => Kind::Uniform,
                2 => Kind::Pct { depth: 2 },
                _ => Kind::Pct { depth: 3 },
            },
            kind => kind,
        };
        self.steps = 0;
        self.threads.clear();
        self.changes.clear();
        if let Kind::Pct { depth } = self.current {
            let steps = self.steps_at_first.max(1) as usize;
            let change = |_| track.random().below(steps) as u64 + 1;
            self.changes.extend((1..depth).map(change));
            self.changes.sort_unstable();
        }
    }

    /// It is over, after so many steps.
    pub(super) fn end(&mut self, steps: u64) {
        if self.index == 0 {
            self.steps_at_first = steps;
            self.turns_at_first.extend(self.threads.iter().map(|thread| thread.turns));
        }
    }

    /// Does it have to know how the first execution went?
    pub(super) fn learns(&self) -> bool {
        self.kind != Kind::Random
    }

    /// Does it have to see the steps at which there is no choice?
    pub(super) fn sees_all(&self) -> bool {
        self.kind != Kind::Random
    }

    /// One of `ready`, of which `allowed` are indices.
    pub(super) fn choose(
        &mut self,
        ready: &[u64],
        allowed: &[usize],
        random: &mut Random,
    ) -> usize {
        let index = match self.current {
            Kind::Random | Kind::Portfolio => allowed[random.below(allowed.len())],
            Kind::Uniform => self.by_turns_left(ready, allowed, random),
            Kind::Pct { .. } => self.by_priority(ready, allowed, random),
        };
        self.count(ready[index]);
        index
    }

    /// A step of this green thread comes, since no other can have one.
    pub(super) fn took(&mut self, number: u64) {
        if let Kind::Pct { .. } = self.current {
            self.fall(number);
        }
        self.count(number);
    }

    fn count(&mut self, number: u64) {
        self.steps += 1;
        self.drawn(number).turns += 1;
    }

    fn drawn(&mut self, number: u64) -> &mut Drawn {
        let index = number as usize;
        if index >= self.threads.len() {
            self.threads.resize(index + 1, Drawn::default());
        }
        &mut self.threads[index]
    }

    fn by_turns_left(&mut self, ready: &[u64], allowed: &[usize], random: &mut Random) -> usize {
        let left = |this: &mut Sampling, number: u64| {
            let before = this.turns_at_first.get(number as usize).copied().unwrap_or(1);
            let had = this.drawn(number).turns;
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

    fn by_priority(&mut self, ready: &[u64], allowed: &[usize], random: &mut Random) -> usize {
        for &number in ready {
            if self.drawn(number).priority == 0 {
                let priority = HIGH | random.next();
                self.drawn(number).priority = priority;
            }
        }
        loop {
            let priority = |&&index: &&usize| self.threads[ready[index] as usize].priority;
            let index = *allowed.iter().max_by_key(priority).expect("somebody is allowed");
            if !self.fall(ready[index]) {
                return index;
            }
        }
    }

    /// Lowers the priority of the one that would have the next step, if it is to fall
    /// there.
    fn fall(&mut self, number: u64) -> bool {
        let step = self.steps + 1;
        let Some(place) = self.changes.iter().position(|&change| change == step) else {
            return false;
        };
        // The first to fall falls to the highest of the low ones.
        self.changes[place] = 0;
        let low = (self.changes.len() - place) as u64;
        self.drawn(number).priority = low;
        true
    }
}
