//! Rows of tokio: tasks on its scheduler for one thread.

use std::future::{Future, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::{scaled, turns};

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs no more than memory")
}

fn run<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

pub fn yields<const TASKS: u64>(count: u64) -> Duration {
    async fn loop_of(turns: u64) {
        for _ in 0..turns {
            yield_now().await;
        }
    }
    run(async {
        let turns = turns(count, TASKS);
        let others: Vec<_> = (1..TASKS).map(|_| tokio::spawn(loop_of(turns))).collect();
        // The other tasks start, and yield once.
        yield_now().await;
        let start = Instant::now();
        tokio::spawn(loop_of(turns)).await.expect("it does not panic");
        for other in others {
            other.await.expect("it does not panic");
        }
        scaled(start, turns * TASKS, count)
    })
}

/// Measures `turns` iterations of a loop that waits.
macro_rules! time {
    ($turns:expr, $operation:expr) => {{
        let start = Instant::now();
        for _ in 0..$turns {
            $operation;
        }
        start.elapsed()
    }};
}

pub fn spawn(count: u64) -> Duration {
    run(async { time!(count, black_box(tokio::spawn(async {}).await.is_ok())) })
}

pub fn bounded_channel(count: u64) -> Duration {
    messages(count, 128)
}

/// Measures a channel with a buffer for one message, tokio's smallest.
pub fn channel_of_one(count: u64) -> Duration {
    messages(count, 1)
}

fn messages(count: u64, capacity: usize) -> Duration {
    let (sender, mut receiver) = mpsc::channel(capacity);
    run(async move {
        tokio::spawn(async move {
            for message in 0..=count {
                sender.send(message).await.expect("the receiver is alive");
            }
        });
        black_box(receiver.recv().await.expect("a sender is alive"));
        time!(count, black_box(receiver.recv().await.expect("a sender is alive")))
    })
}

pub fn unbounded_channel(count: u64) -> Duration {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    run(async move {
        tokio::spawn(async move {
            for message in 0..count {
                sender.send(message).expect("the receiver is alive");
                if message % 100 == 99 {
                    yield_now().await;
                }
            }
        });
        time!(count, black_box(receiver.recv().await.expect("a sender is alive")))
    })
}

pub fn select(count: u64) -> Duration {
    run(async {
        let [mut one, mut other] = [0, 1].map(|_| {
            let (sender, receiver) = mpsc::channel(128);
            tokio::spawn(async move { while sender.send(1u64).await.is_ok() {} });
            receiver
        });
        time!(
            count,
            tokio::select! {
                message = one.recv() => { black_box(message.expect("a sender is alive")); }
                message = other.recv() => { black_box(message.expect("a sender is alive")); }
            }
        )
    })
}

pub fn mutex(count: u64) -> Duration {
    run(async {
        let mutex = Mutex::new(0u64);
        time!(count, *black_box(&mutex).lock().await += 1)
    })
}

pub fn mutex_handed_over(count: u64) -> Duration {
    async fn work(mutex: Arc<Mutex<u64>>, turns: u64) {
        for _ in 0..turns {
            let mut guard = mutex.lock().await;
            *guard += 1;
            yield_now().await;
        }
    }
    run(async {
        let mutex = Arc::new(Mutex::new(0u64));
        let turns = count.div_ceil(2);
        let start = Instant::now();
        let one = tokio::spawn(work(mutex.clone(), turns));
        let other = tokio::spawn(work(mutex, turns));
        one.await.expect("it does not panic");
        other.await.expect("it does not panic");
        scaled(start, turns * 2, count)
    })
}

pub fn semaphores(count: u64) -> Duration {
    run(async {
        let there = Arc::new(Semaphore::new(0));
        let back = Arc::new(Semaphore::new(0));
        let (there_too, back_too) = (there.clone(), back.clone());
        tokio::spawn(async move {
            for _ in 0..count {
                there_too.acquire().await.expect("it is open").forget();
                back_too.add_permits(1);
            }
        });
        time!(count, {
            there.add_permits(1);
            back.acquire().await.expect("it is open").forget();
        })
    })
}

pub fn sleepers<const SLEEPERS: u64>(count: u64) -> Duration {
    run(async {
        let start = Instant::now();
        let all: Vec<_> =
            (0..SLEEPERS).map(|sleeper| tokio::spawn(sleep(crate::moment(sleeper)))).collect();
        for sleeper in all {
            sleeper.await.expect("it does not panic");
        }
        scaled(start, SLEEPERS, count)
    })
}

pub fn answered(count: u64) -> Duration {
    run(async {
        let (question, mut questions) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(1);
        tokio::spawn(async move {
            while let Some((number, answer)) = questions.recv().await {
                let _ = answer.send(number);
            }
        });
        let start = Instant::now();
        for turn in 0..count {
            let (answer, answers) = oneshot::channel();
            question.send((turn, answer)).await.expect("the other side is alive");
            black_box(timeout(Duration::from_secs(10), answers).await.expect("in time").is_ok());
        }
        start.elapsed()
    })
}

pub fn block_on_ready(count: u64) -> Duration {
    let runtime = runtime();
    time!(count, black_box(runtime.block_on(black_box(ready(1u64)))))
}
