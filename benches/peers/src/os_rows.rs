//! Rows of OS threads, from std, on one processor.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::{time, turns};

/// Keeps this process on the processor that it runs on now.
pub fn use_one_processor() {
    // SAFETY: all zeros is a valid set of processors, and sched_setaffinity only reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let here = usize::try_from(libc::sched_getcpu()).unwrap_or(0);
        libc::CPU_SET(here, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0, "one processor");
    }
}

const BUSY: u64 = 1 << 63;

/// Measures a round trip of a word between two OS threads, with one unpark in each direction.
pub fn resume(count: u64) -> Duration {
    let word = Arc::new(AtomicU64::new(0));
    let caller = thread::current();
    let shared = word.clone();
    let echo = thread::spawn(move || {
        loop {
            let value = wait(&shared, |value| value & BUSY != 0);
            shared.store(value & !BUSY, Ordering::Release);
            caller.unpark();
            if value == u64::MAX {
                return;
            }
        }
    });
    let ask = |value: u64| {
        word.store(value | BUSY, Ordering::Release);
        echo.thread().unpark();
        wait(&word, |value| value & BUSY == 0)
    };
    let elapsed = time(count, |turn| {
        black_box(ask(black_box(turn)));
    });
    ask(u64::MAX);
    echo.join().expect("the echo does not panic");
    elapsed
}

fn wait(word: &AtomicU64, there: impl Fn(u64) -> bool) -> u64 {
    loop {
        let value = word.load(Ordering::Acquire);
        if there(value) {
            return value;
        }
        thread::park();
    }
}

pub fn yields<const THREADS: u64>(count: u64) -> Duration {
    let turns = turns(count, THREADS);
    let all_there = Arc::new(Barrier::new(THREADS as usize));
    let start = |_| {
        let all_there = all_there.clone();
        let builder = thread::Builder::new().stack_size(64 * 1024);
        let body = move || {
            all_there.wait();
            loop_of(turns);
        };
        builder.spawn(body).expect("an OS thread")
    };
    let others: Vec<_> = (1..THREADS).map(start).collect();
    all_there.wait();
    let start = Instant::now();
    loop_of(turns);
    others.into_iter().for_each(|other| {
        other.join().expect("a loop of yields does not panic");
    });
    start.elapsed().mul_f64(count as f64 / (turns * THREADS) as f64)
}

fn loop_of(turns: u64) {
    for _ in 0..turns {
        thread::yield_now();
    }
}

pub fn spawn(count: u64) -> Duration {
    time(count, |_| {
        black_box(thread::spawn(|| ()).join().is_ok());
    })
}

/// Measures std's lock without contention.
pub fn mutex(count: u64) -> Duration {
    let mutex = Mutex::new(0u64);
    crate::time(count, |_| *black_box(&mutex).lock().expect("no thread panics") += 1)
}
