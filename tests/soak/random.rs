//! Random numbers for the load.

use std::cell::Cell;

use leno::time::Duration;

/// xorshift64*: a seed gives the same load, as far as timing allows.
pub struct Random(pub Cell<u64>);

impl Random {
    pub fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }

    pub fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn short(&self) -> Duration {
        Duration::from_micros(self.below(300))
    }
}
