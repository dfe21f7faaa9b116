//! The loops that are measured: channels, locks and timers, each beside the same
//! number of yields.
//!
//! Each does `count` operations, or the next few more that it can do, and gives
//! the time that they took, scaled to `count`. Setting up is not counted.

use std::future::ready;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use leno::channel::{Receiver, Sender, bounded, unbounded};
use leno::sync::{Mutex, Semaphore};
use leno::weave::Explorer;

/// Does so many operations, and says how long they took.
pub type Work = fn(u64) -> Duration;

/// The time of `done` operations, scaled to `count` of them.
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

/// Two green threads yield in turn.
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

/// `THREADS` green threads, the main one among them, yield in turn.
pub fn yields_among<const THREADS: u64>(count: u64) -> Duration {
    yields_in_order(count, (1..THREADS).collect())
}

/// The same in an order in which neighbours in the run queue have no neighbouring
/// stacks, as after a while in every program.
pub fn yields_shuffled<const THREADS: u64>(count: u64) -> Duration {
    let mut order: Vec<u64> = (1..THREADS).collect();
    let mut random = 1u64;
    for last in (1..order.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(last, (random >> 33) as usize % (last + 1));
    }
    yields_in_order(count, order)
}

/// The main green thread and one for each number in `order` yield in turn. A number says
/// how many of them were spawned before.
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
        // All of them park, and become ready in that order.
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

/// One sends, the main one receives. The clock runs from the first message.
fn messages(count: u64, channel: (Sender<u64>, Receiver<u64>)) -> Duration {
    let (sender, receiver) = channel;
    leno::run(move || {
        leno::spawn(move || {
            for message in 0..=count {
                sender.send(message).expect("somebody receives");
            }
        });
        black_box(receiver.recv().expect("somebody sends"));
        time(count, |_| {
            black_box(receiver.recv().expect("somebody sends"));
        })
    })
}

pub fn bounded_channel(count: u64) -> Duration {
    messages(count, bounded(128))
}

pub fn rendezvous_channel(count: u64) -> Duration {
    messages(count, bounded(0))
}

/// Sends a hundred, then receives them: a sender that is never stopped would only
/// fill memory.
pub fn unbounded_channel(count: u64) -> Duration {
    let (sender, receiver) = unbounded();
    leno::run(move || {
        leno::spawn(move || {
            for message in 0..count {
                sender.send(message).expect("somebody receives");
                if message % 100 == 99 {
                    leno::yield_now();
                }
            }
        });
        time(count, |_| {
            black_box(receiver.recv().expect("somebody sends"));
        })
    })
}

/// Two send, one receives from either.
pub fn select(count: u64) -> Duration {
    leno::run(|| {
        let [one, other] = [0, 1].map(|_| {
            let (sender, receiver) = bounded(128);
            leno::spawn(move || while sender.send(1u64).is_ok() {});
            receiver
        });
        let elapsed = time(count, |_| {
            leno::select! {
                recv(one) -> message => black_box(message.expect("somebody sends")),
                recv(other) -> message => black_box(message.expect("somebody sends")),
            };
        });
        drop((one, other));
        elapsed
    })
}

pub fn mutex(count: u64) -> Duration {
    leno::run(|| {
        let mutex = Mutex::new(0u64);
        time(count, |_| *black_box(&mutex).lock().expect("nobody panics") += 1)
    })
}

/// Each holds the lock while the other comes to wait for it.
pub fn mutex_handed_over(count: u64) -> Duration {
    leno::run(|| {
        let mutex = Rc::new(Mutex::new(0u64));
        let turns = count.div_ceil(2);
        let work = move |mutex: Rc<Mutex<u64>>| {
            for _ in 0..turns {
                let mut guard = mutex.lock().expect("nobody panics");
                *guard += 1;
                leno::yield_now();
            }
        };
        let start = Instant::now();
        let other = mutex.clone();
        let other = leno::spawn(move || work(other));
        work(mutex);
        other.join().expect("nobody panics");
        scaled(start, turns * 2, count)
    })
}

/// One permit goes there, another comes back.
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
        other.join().expect("nobody panics");
        elapsed
    })
}

/// A wait with a deadline that is answered before it comes.
pub fn answered(count: u64) -> Duration {
    leno::run(|| {
        let (question, questions) = bounded::<u64>(0);
        let (answer, answers) = bounded(0);
        leno::spawn(move || {
            for number in questions {
                answer.send(number).expect("somebody waits");
            }
        });
        time(count, |turn| {
            question.send(turn).expect("somebody answers");
            black_box(answers.recv_timeout(Duration::from_secs(10)).expect("in time"));
        })
    })
}

/// `SLEEPERS` are spawned, each sleeps for a while of its own, and all end. Time
/// is virtual, so nothing is waited for.
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

/// As many that only yield, once.
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

/// Explores `program` until there were `count` executions. The time includes what an
/// exploration takes besides its executions.
fn executions(count: u64, explorer: Explorer, program: impl Fn()) -> Duration {
    let explorer = explorer.progress(false);
    let mut done = 0;
    let start = Instant::now();
    while done < count {
        done += black_box(explorer.explore(&program)).executions();
    }
    scaled(start, done, count)
}

/// Executions of `THREADS` green threads of three steps each, in a scope. Two have 20
/// executions. Three have 1,680, of which an exploration runs 100: then whole
/// explorations make up the numbers of operations that [`count`](crate::count) needs.
pub fn executions_of_steps<const THREADS: usize>(count: u64) -> Duration {
    executions(count, Explorer::new().max_executions(100), || {
        leno::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (1..3).for_each(|_| leno::yield_now()));
            }
        });
    })
}

/// Executions of two green threads that lock a mutex three times each, with a choice
/// before each operation: 100 in each exploration.
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

/// The count leaves out redundant executions; the time includes them.
pub fn executions_reduced(count: u64) -> Duration {
    executions_of_locks(count, Explorer::new().reduced())
}
