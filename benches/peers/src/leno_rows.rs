//! Rows of leno.

use std::hint::black_box;
use std::time::{Duration, Instant};

use leno::coroutine::{Coroutine, Yielder};

use crate::{time, turns};

pub fn resume(count: u64) -> Duration {
    let echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = yielder.suspend(value);
        }
    });
    time(count, |turn| {
        black_box(echo.resume(black_box(turn)));
    })
}

/// Measures a resume of a body that suspends in a called function.
pub fn resume_inside(count: u64) -> Duration {
    #[inline(never)]
    fn suspend(yielder: &Yielder<u64, u64>, value: u64) -> u64 {
        black_box(yielder.suspend(value))
    }
    let echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = suspend(yielder, value);
        }
    });
    time(count, |turn| {
        black_box(echo.resume(black_box(turn)));
    })
}

pub fn create(count: u64) -> Duration {
    time(count, |turn| {
        let call = Coroutine::<u64, (), u64>::new(|_, input| input);
        black_box(call.resume(black_box(turn)));
    })
}

/// Measures a yield. All threads yield equally often, and the time ends when the last thread has ended,
/// because not every library's scheduler is fair.
pub fn yields<const THREADS: u64>(count: u64) -> Duration {
    leno::run(|| {
        let turns = turns(count, THREADS);
        let others: Vec<_> = (1..THREADS).map(|_| leno::spawn(move || loop_of(turns))).collect();
        // The other green threads start, and yield once.
        leno::yield_now();
        let start = Instant::now();
        loop_of(turns);
        others.into_iter().for_each(|other| {
            other.join().expect("a loop of yields does not panic");
        });
        start.elapsed().mul_f64(count as f64 / (turns * THREADS) as f64)
    })
}

fn loop_of(turns: u64) {
    for _ in 0..turns {
        leno::yield_now();
    }
}

pub fn spawn(count: u64) -> Duration {
    leno::run(|| {
        time(count, |_| {
            black_box(leno::spawn(|| ()).join().is_ok());
        })
    })
}
