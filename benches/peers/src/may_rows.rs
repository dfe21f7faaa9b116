//! Rows of may: green threads, here on one worker thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use may::coroutine;

use crate::{time, turns};

pub fn use_one_worker() {
    may::config().set_workers(1);
}

/// Runs `f` as a green thread.
pub fn run<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    // SAFETY: the rows use no thread-local variable and little stack, as may requires.
    unsafe { coroutine::spawn(f) }.join().expect("it does not panic")
}

/// Measures a yield. may's yield is not fair: a green thread that was just spawned may start only after
/// the others have ended. The row therefore does not wait for the starts, and its loops are long enough
/// to make the cost of starting negligible.
pub fn yields<const THREADS: u64>(count: u64) -> Duration {
    let turns = turns(count, THREADS).max(1_000);
    let elapsed = run(move || {
        // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
        let start = |_| unsafe { coroutine::spawn(move || loop_of(turns)) };
        let others: Vec<_> = (1..THREADS).map(start).collect();
        let start = Instant::now();
        loop_of(turns);
        others.into_iter().for_each(|other| {
            other.join().expect("a loop of yields does not panic");
        });
        start.elapsed()
    });
    elapsed.mul_f64(count as f64 / (turns * THREADS) as f64)
}

fn loop_of(turns: u64) {
    for _ in 0..turns {
        coroutine::yield_now();
    }
}

pub fn spawn(count: u64) -> Duration {
    run(move || {
        time(count, |_| {
            // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
            black_box(unsafe { coroutine::spawn(|| ()) }.join().is_ok());
        })
    })
}
