//! Rows of leno for channels, locks, timers and futures.

use std::future::ready;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use leno::channel::{Receiver, Sender, bounded, unbounded};
use leno::sync::{Mutex, Semaphore};

use crate::{scaled, time};

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
        time(count, |_| *black_box(&mutex).lock().expect("no thread panics") += 1)
    })
}

/// Measures a lock that each green thread holds while the other begins to wait for it.
pub fn mutex_handed_over(count: u64) -> Duration {
    leno::run(|| {
        let mutex = Rc::new(Mutex::new(0u64));
        let turns = count.div_ceil(2);
        let work = move |mutex: Rc<Mutex<u64>>| {
            for _ in 0..turns {
                let mut guard = mutex.lock().expect("no thread panics");
                *guard += 1;
                leno::yield_now();
            }
        };
        let start = Instant::now();
        let other = mutex.clone();
        let other = leno::spawn(move || work(other));
        work(mutex);
        other.join().expect("no thread panics");
        scaled(start, turns * 2, count)
    })
}

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
        other.join().expect("no thread panics");
        elapsed
    })
}

/// Measures `SLEEPERS` green threads that are spawned, sleep for different times, and are joined.
pub fn sleepers<const SLEEPERS: u64>(count: u64) -> Duration {
    leno::run(|| {
        let start = Instant::now();
        for sleeper in 0..SLEEPERS {
            leno::spawn(move || leno::sleep(crate::moment(sleeper)));
        }
        // The time ends when the last green thread has ended.
        start
    })
    .elapsed()
    .mul_f64(count as f64 / SLEEPERS as f64)
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
            question.send(turn).expect("the other side is alive");
            black_box(answers.recv_timeout(Duration::from_secs(10)).expect("in time"));
        })
    })
}

pub fn block_on_ready(count: u64) -> Duration {
    leno::run(|| {
        time(count, |turn| {
            black_box(leno::block_on(black_box(ready(turn))));
        })
    })
}
