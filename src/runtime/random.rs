//! Random numbers that are the same in every run.

#![forbid(unsafe_code)]

/// A small generator of random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014).
pub(crate) struct Random {
    state: u64,
    /// The next number, computed ahead: the number that is drawn usually decides a branch at
    /// once, which would wait for the computation.
    next: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random { state: seed, next: 0 };
        random.next();
        random
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        std::mem::replace(&mut self.next, mixed ^ (mixed >> 31))
    }

    /// Returns a number below `bound`. Its bias is below 2^-32 for any bound that can be a
    /// number of green threads.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
