//! The measured loops: channels, locks and timers, each against the same number of yields.
//!
//! Each function runs `count` operations, or slightly more if its loop requires it, and returns their
//! time, scaled to `count`. The time excludes the set-up.

use std::future::ready;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use leno::channel::{Receiver, Sender, bounded, unbounded};
use leno::sync::{Mutex, Semaphore};
use leno::weave::Explorer;

/// A function that runs a number of operations, and returns their time.
pub type Work = fn(u64) -> Duration;

/// Returns the time of `done` operations, scaled to `count` operations.
fn scaled(start: Instant, done: u64, count: u64) -> Duration {
    start.elapsed().mul_f64(count as f64 / done.max(1) as f64)
}

fn time(turns: u64, mut operation: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    for turn in 0..turns {
        operation(turn);
    }
    start.elapsed()
}

/// Measures a yield between two green threads.
pub fn yields(count: u64) -> Duration {
    fn turn(turns: u64) {
        for _ in 0..turns {
            leno::yield_now();
        }
    }
    leno::run(|| {
        let turns = count.div_ceil(2);
        let other = leno::spawn(move || turn(turns + 1));
        leno::yield_now();
        let start = Instant::now();
        turn(turns);
        let elapsed = scaled(start, turns * 2, count);
        other.join().expect("a loop of yields does not panic");
        elapsed
    })
}

/// Measures a yield among `THREADS` green threads, including the main green thread.
pub fn yields_among<const THREADS: u64>(count: u64) -> Duration {
    yields_in_order(count, (1..THREADS).collect())
}

/// Measures a yield in an order in which neighbours in the run queue do not have neighbouring stacks,
/// which every program reaches after some time.
pub fn yields_shuffled<const THREADS: u64>(count: u64) -> Duration {
    let mut order: Vec<u64> = (1..THREADS).collect();
    let mut random = 1u64;
    for last in (1..order.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(last, (random >> 33) as usize % (last + 1));
    }
    yields_in_order(count, order)
}

/// Measures a yield among the main green thread and one green thread for each number in `order`. A
/// number is the position of its green thread in the order of spawning.
fn yields_in_order(count: u64, order: Vec<u64>) -> Duration {
    leno::run(|| {
        let threads = order.len() as u64 + 1;
        let turns = count.div_ceil(threads);
        let others: Vec<_> = (1..threads)
            .map(|_| {
                leno::spawn(move || {
                    leno::thread::park();
                    (0..turns).for_each(|_| leno::yield_now());
                })
            })
            .collect();
        // All green threads park, and become ready in the given order.
        leno::yield_now();
        for number in order {
            others[number as usize - 1].thread().unpark();
        }
        let start = Instant::now();
        (0..turns).for_each(|_| leno::yield_now());
        let elapsed = scaled(start, turns * threads, count);
        for other in others {
            other.join().expect("a loop of yields does not panic");
        }
        elapsed
    })
}

/// Measures messages from another green thread to the main green thread, from the first message on.
fn messages(count: u64, channel: (Sender<u64>, Receiver<u64>)) -> Duration {
    let (sender, receiver) = channel;
    leno::run(move || {
        leno::spawn(move || {
            for message in 0..=count {
                sender.send(message).expect("the receiver is alive");
            }
        });
        black_box(receiver.recv().expect("a sender is alive"));
        time(count, |_| {
            black_box(receiver.recv().expect("a sender is alive"));
        })
    })
}

pub fn bounded_channel(count: u64) -> Duration {
    messages(count, bounded(128))
}

pub fn rendezvous_channel(count: u64) -> Duration {
    messages(count, bounded(0))
}

/// Measures messages that are sent in hundreds: a sender that never waits would fill the memory.
pub fn unbounded_channel(count: u64) -> Duration {
    let (sender, receiver) = unbounded();
    leno::run(move || {
        leno::spawn(move || {
            for message in 0..count {
                sender.send(message).expect("the receiver is alive");
                if message % 100 == 99 {
                    leno::yield_now();
                }
            }
        });
        time(count, |_| {
            black_box(receiver.recv().expect("a sender is alive"));
        })
    })
}

/// Measures messages from two senders, received with a select.
pub fn select(count: u64) -> Duration {
    leno::run(|| {
        let [one, other] = [0, 1].map(|_| {
            let (sender, receiver) = bounded(128);
            leno::spawn(move || while sender.send(1u64).is_ok() {});
            receiver
        });
        let elapsed = time(count, |_| {
            leno::select! {
                recv(one) -> message => black_box(message.expect("a sender is alive")),
                recv(other) -> message => black_box(message.expect("a sender is alive")),
            };
        });
        drop((one, other));
        elapsed
    })
}

pub fn mutex(count: u64) -> Duration {
    leno::run(|| {
        let mutex = Mutex::new(0u64);
        time(count, |_| *black_box(&mutex).lock().expect("no green thread panics") += 1)
    })
}

/// Measures a lock that each green thread holds while the other begins to wait for it.
pub fn mutex_handed_over(count: u64) -> Duration {
    leno::run(|| {
        let mutex = Rc::new(Mutex::new(0u64));
        let turns = count.div_ceil(2);
        let work = move |mutex: Rc<Mutex<u64>>| {
            for _ in 0..turns {
                let mut guard = mutex.lock().expect("no green thread panics");
                *guard += 1;
                leno::yield_now();
            }
        };
        let start = Instant::now();
        let other = mutex.clone();
        let other = leno::spawn(move || work(other));
        work(mutex);
        other.join().expect("no green thread panics");
        scaled(start, turns * 2, count)
    })
}

/// Measures a round trip of permits between two green threads.
pub fn semaphores(count: u64) -> Duration {
    leno::run(|| {
        let there = Rc::new(Semaphore::new(0));
        let back = Rc::new(Semaphore::new(0));
        let (there_too, back_too) = (there.clone(), back.clone());
        let other = leno::spawn(move || {
            for _ in 0..count {
                there_too.acquire().expect("it is open").forget();
                back_too.add_permits(1);
            }
        });
        let elapsed = time(count, |_| {
            there.add_permits(1);
            back.acquire().expect("it is open").forget();
        });
        other.join().expect("no green thread panics");
        elapsed
    })
}

/// Measures a wait with a deadline that is answered before the deadline.
pub fn answered(count: u64) -> Duration {
    leno::run(|| {
        let (question, questions) = bounded::<u64>(0);
        let (answer, answers) = bounded(0);
        leno::spawn(move || {
            for number in questions {
                answer.send(number).expect("the receiver is alive");
            }
        });
        time(count, |turn| {
            question.send(turn).expect("the other green thread is alive");
            black_box(answers.recv_timeout(Duration::from_secs(10)).expect("in time"));
        })
    })
}

/// Measures `SLEEPERS` green threads that are spawned, sleep for different times, and end. Time is
/// virtual, so the sleeps take no time.
pub fn sleepers<const SLEEPERS: u64>(count: u64) -> Duration {
    let rounds = count.div_ceil(SLEEPERS);
    let start = Instant::now();
    for _ in 0..rounds {
        leno::Builder::new().virtual_time().run(|| {
            for sleeper in 0..SLEEPERS {
                let nanos = 1_000_000 + sleeper * 7919 % 1_000_003;
                leno::spawn(move || leno::sleep(Duration::from_nanos(nanos)));
            }
        });
    }
    scaled(start, rounds * SLEEPERS, count)
}

/// Measures `THREADS` green threads that are spawned, yield once, and end.
pub fn yielders<const THREADS: u64>(count: u64) -> Duration {
    let rounds = count.div_ceil(THREADS);
    let start = Instant::now();
    for _ in 0..rounds {
        leno::run(|| {
            for _ in 0..THREADS {
                leno::spawn(leno::yield_now);
            }
        });
    }
    scaled(start, rounds * THREADS, count)
}

pub fn block_on_ready(count: u64) -> Duration {
    leno::run(|| {
        time(count, |turn| {
            black_box(leno::block_on(black_box(ready(turn))));
        })
    })
}

/// Explores `program` until `count` executions have run. The time includes the cost of an exploration
/// besides its executions.
fn executions(count: u64, explorer: Explorer, program: impl Fn()) -> Duration {
    let explorer = explorer.progress(false);
    let mut done = 0;
    let start = Instant::now();
    while done < count {
        done += black_box(explorer.explore(&program)).executions();
    }
    scaled(start, done, count)
}

/// Measures executions of `THREADS` green threads of three steps each, in a scope. Two green threads
/// have 20 executions. Three have 1,680, of which an exploration runs 100, so that whole explorations
/// add up to the numbers of operations that [`count`](crate::count) needs.
pub fn executions_of_steps<const THREADS: usize>(count: u64) -> Duration {
    executions(count, Explorer::new().max_executions(100), || {
        leno::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (1..3).for_each(|_| leno::yield_now()));
            }
        });
    })
}

/// Measures executions of two green threads that lock a mutex three times each, with a choice before
/// each operation: 100 in each exploration.
fn executions_of_locks(count: u64, explorer: Explorer) -> Duration {
    executions(count, explorer.preemptive().max_executions(100), || {
        let mutex = Mutex::new(0u64);
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (0..3).for_each(|_| *mutex.lock().expect("no panic poisons it") += 1);
                });
            }
        });
    })
}

pub fn executions_preemptive(count: u64) -> Duration {
    executions_of_locks(count, Explorer::new())
}

/// Measures a reduced exploration. The count excludes redundant executions; the time includes them.
pub fn executions_reduced(count: u64) -> Duration {
    executions_of_locks(count, Explorer::new().reduced())
}
