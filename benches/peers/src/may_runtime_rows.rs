//! Rows of may's channel, lock and semaphore, on one worker thread. may has no bounded and no
//! rendezvous channel, and the default limits allow about 32,000 of its green threads.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use may::coroutine;
use may::sync::{Mutex, Semphore, mpsc};

use crate::may_rows::run;
use crate::{scaled, time};

pub fn unbounded_channel(count: u64) -> Duration {
    run(move || {
        let (sender, receiver) = mpsc::channel();
        // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
        let other = unsafe {
            coroutine::spawn(move || {
                for message in 0..count {
                    sender.send(message).expect("the receiver is alive");
                    if message % 100 == 99 {
                        coroutine::yield_now();
                    }
                }
            })
        };
        let elapsed = time(count, |_| {
            black_box(receiver.recv().expect("a sender is alive"));
        });
        other.join().expect("it does not panic");
        elapsed
    })
}

pub fn mutex(count: u64) -> Duration {
    run(move || {
        let mutex = Mutex::new(0u64);
        time(count, |_| *black_box(&mutex).lock().expect("no thread panics") += 1)
    })
}

pub fn mutex_handed_over(count: u64) -> Duration {
    run(move || {
        let mutex = Arc::new(Mutex::new(0u64));
        let turns = count.div_ceil(2);
        let work = move |mutex: Arc<Mutex<u64>>| {
            for _ in 0..turns {
                let mut guard = mutex.lock().expect("no thread panics");
                *guard += 1;
                coroutine::yield_now();
            }
        };
        let start = Instant::now();
        let other = mutex.clone();
        // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
        let other = unsafe { coroutine::spawn(move || work(other)) };
        work(mutex);
        other.join().expect("no thread panics");
        scaled(start, turns * 2, count)
    })
}

pub fn semaphores(count: u64) -> Duration {
    run(move || {
        let there = Arc::new(Semphore::new(0));
        let back = Arc::new(Semphore::new(0));
        let (there_too, back_too) = (there.clone(), back.clone());
        // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
        let other = unsafe {
            coroutine::spawn(move || {
                for _ in 0..count {
                    there_too.wait();
                    back_too.post();
                }
            })
        };
        let elapsed = time(count, |_| {
            there.post();
            back.wait();
        });
        other.join().expect("it does not panic");
        elapsed
    })
}
