//! A program for std's threads: workers take texts from a queue and count letters, and
//! the counts are added up. `tests/port.rs` ports it to leno.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

const TEXTS: [&str; 6] = ["warp and weft", "shuttle", "reed", "heddle", "selvage", "loom"];
const WORKERS: usize = 3;

/// A bounded queue of texts, made of a lock and two condition variables.
struct Queue {
    texts: Mutex<(VecDeque<&'static str>, bool)>,
    filled: Condvar,
    emptied: Condvar,
    capacity: usize,
}

impl Queue {
    fn push(&self, text: &'static str) {
        let state = self.texts.lock().unwrap();
        let full = |state: &mut (VecDeque<_>, bool)| state.0.len() == self.capacity;
        let mut state = self.emptied.wait_while(state, full).unwrap();
        state.0.push_back(text);
        self.filled.notify_one();
    }

    fn pop(&self) -> Option<&'static str> {
        let mut state = self.texts.lock().unwrap();
        while state.0.is_empty() && !state.1 {
            let patience = Duration::from_millis(50);
            state = self.filled.wait_timeout(state, patience).unwrap().0;
        }
        self.emptied.notify_one();
        state.0.pop_front()
    }

    fn close(&self) {
        self.texts.lock().unwrap().1 = true;
        self.filled.notify_all();
    }
}

type Counts = BTreeMap<char, usize>;

fn work(queue: &Queue, done: &SyncSender<Counts>, taken: &AtomicUsize) {
    while let Some(text) = queue.pop() {
        let mut counts = Counts::new();
        for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
            *counts.entry(letter).or_default() += 1;
        }
        thread::sleep(Duration::from_millis(1));
        taken.fetch_add(1, Ordering::SeqCst);
        done.send(counts).unwrap();
    }
}

/// Runs threads that read the sum of all threads in each round.
fn rounds(sum: &RwLock<u32>) -> usize {
    let barrier = Barrier::new(WORKERS);
    let round = || {
        let mut leads = 0;
        for round in 1..=4 {
            *sum.write().unwrap() += round;
            leads += usize::from(barrier.wait().is_leader());
            assert_eq!(sum.read().unwrap().checked_rem(round * (round + 1) / 2), Some(0));
            barrier.wait();
        }
        leads
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..WORKERS).map(|_| scope.spawn(round)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

pub fn main() {
    let start = Instant::now();
    let (texts, capacity) = (Mutex::default(), 2);
    let queue = Queue { texts, filled: Condvar::new(), emptied: Condvar::new(), capacity };
    let (queue, taken) = (Arc::new(queue), Arc::new(AtomicUsize::new(0)));
    let (done, results) = mpsc::sync_channel(1);
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let (queue, done, taken) = (queue.clone(), done.clone(), taken.clone());
            let builder = thread::Builder::new().name(format!("worker {number}"));
            builder.spawn(move || work(&queue, &done, &taken)).unwrap()
        })
        .collect();
    drop(done);
    let feeder = thread::spawn(move || {
        TEXTS.iter().for_each(|text| queue.push(text));
        queue.close();
        thread::current().name().map(str::to_owned)
    });
    let mut total = Counts::new();
    for (letter, count) in results.iter().flatten() {
        *total.entry(letter).or_default() += count;
    }
    println!("{total:?}");
    println!("{} texts by {} workers", taken.load(Ordering::SeqCst), workers.len());
    println!("the feeder's name: {:?}", feeder.join().unwrap());
    workers.into_iter().for_each(|worker| worker.join().unwrap());

    let sum = RwLock::new(0);
    println!("leaders: {}, sum: {:?}", rounds(&sum), sum.into_inner());
    let (sender, receiver) = mpsc::channel::<u8>();
    let parked = thread::spawn(thread::park);
    parked.thread().unpark();
    println!("{:?}", receiver.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout));
    drop(sender);
    println!("{:?}, {:?}", receiver.recv(), parked.join().is_ok());
    let lock = Arc::new(Mutex::new(OnceLock::from("text")));
    let other = lock.clone();
    let broken = thread::spawn(move || {
        let _guard = other.lock().unwrap();
        std::panic::resume_unwind(Box::new("expected"));
    });
    println!("{}, {:?}", broken.join().is_err(), lock);
    assert!(start.elapsed() >= Duration::from_millis(1));
}
