//! Resume and suspend in other shapes: from many call sites, and of many coroutines in turn.
//!
//! The time of a switch depends on its shape. For each load, a processor predicts the earlier store
//! that it reads from, in a small table of pairs of instructions, and each call site adds pairs. The
//! hot lines of many stacks also compete for the cache.

use std::hint::black_box;
use std::time::{Duration, Instant};

use corosensei::Coroutine as PeerCoroutine;
use leno::coroutine::Coroutine;

use super::{eight_times, leno_echo, peer_echo, scaled};

/// Runs the operation 32 times, at 32 places in the code.
macro_rules! from_32_call_sites {
    ($operation:expr) => {
        eight_times!($operation);
        eight_times!($operation);
        eight_times!($operation);
        eight_times!($operation);
    };
}

pub fn leno_resume_from_32_sites(count: u64) -> Duration {
    let echo = leno_echo();
    let start = Instant::now();
    for turn in 0..count.div_ceil(32) {
        from_32_call_sites!(black_box(echo.resume(black_box(turn))));
    }
    scaled(start, count.div_ceil(32) * 32, count)
}

pub fn peer_resume_from_32_sites(count: u64) -> Duration {
    let mut echo = peer_echo();
    let start = Instant::now();
    for turn in 0..count.div_ceil(32) {
        from_32_call_sites!(black_box(echo.resume(black_box(turn))));
    }
    scaled(start, count.div_ceil(32) * 32, count)
}

/// Measures a body that suspends at eight places, resumed from one call site.
pub fn leno_suspend_from_8_sites(count: u64) -> Duration {
    let echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            eight_times!(value = yielder.suspend(black_box(value)));
        }
    });
    echo.resume(0);
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

pub fn peer_suspend_from_8_sites(count: u64) -> Duration {
    let mut echo = PeerCoroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            eight_times!(value = yielder.suspend(black_box(value)));
        }
    });
    echo.resume(0);
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

/// Measures resumes of `COROUTINES` coroutines, one after the other.
pub fn leno_in_turn<const COROUTINES: u64>(count: u64) -> Duration {
    let echoes: Vec<_> = (0..COROUTINES).map(|_| leno_echo()).collect();
    let rounds = count.div_ceil(COROUTINES);
    let start = Instant::now();
    for round in 0..rounds {
        for echo in &echoes {
            black_box(echo.resume(black_box(round)));
        }
    }
    scaled(start, rounds * COROUTINES, count)
}

pub fn peer_in_turn<const COROUTINES: u64>(count: u64) -> Duration {
    let mut echoes: Vec<_> = (0..COROUTINES).map(|_| peer_echo()).collect();
    let rounds = count.div_ceil(COROUTINES);
    let start = Instant::now();
    for round in 0..rounds {
        for echo in &mut echoes {
            black_box(echo.resume(black_box(round)));
        }
    }
    scaled(start, rounds * COROUTINES, count)
}

/// Measures resumes of a thousand coroutines, in an order that is independent of the addresses of
/// their stacks and the same in each round.
pub fn leno_in_shuffled_turn(count: u64) -> Duration {
    const COROUTINES: u64 = 1_000;
    let mut echoes: Vec<_> = (0..COROUTINES).map(|_| leno_echo()).collect();
    shuffle(&mut echoes);
    let rounds = count.div_ceil(COROUTINES);
    let start = Instant::now();
    for round in 0..rounds {
        for echo in &echoes {
            black_box(echo.resume(black_box(round)));
        }
    }
    scaled(start, rounds * COROUTINES, count)
}

pub fn peer_in_shuffled_turn(count: u64) -> Duration {
    const COROUTINES: u64 = 1_000;
    let mut echoes: Vec<_> = (0..COROUTINES).map(|_| peer_echo()).collect();
    shuffle(&mut echoes);
    let rounds = count.div_ceil(COROUTINES);
    let start = Instant::now();
    for round in 0..rounds {
        for echo in &mut echoes {
            black_box(echo.resume(black_box(round)));
        }
    }
    scaled(start, rounds * COROUTINES, count)
}

/// Shuffles the items into an order that is the same in each run (Fisher and Yates's shuffle, with the
/// constants of Knuth's MMIX generator).
fn shuffle<T>(items: &mut [T]) {
    let mut state = 1u64;
    for last in (1..items.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
}
