//! A program in which everything that decides an order takes part: channels of each
//! kind, select, timers, deadlines, cancellation, scopes, parking.
//!
//! The expected texts contain the line numbers of this file.

use std::cell::Cell;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, after, bounded, tick};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, sleep, timeout};

fn spawn<T: 'static>(name: &str, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).spawn(f).expect("a stack is available")
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Sends `count` numbers, some of them after a sleep.
fn produce(numbers: &Sender<u64>, count: u64) {
    for number in 0..count {
        if number % 3 == 2 {
            sleep(millis(number));
        }
        if numbers.send(number).is_err() {
            return;
        }
    }
}

/// Receives from any ready channel, and sends the sums.
fn choose(left: &Receiver<u64>, right: &Receiver<u64>, sums: &Sender<u64>) {
    let end = after(millis(24));
    let bell = tick(millis(7));
    let mut sum = 0;
    loop {
        leno::select! {
            recv(left) -> number => sum += number.unwrap_or(7),
            recv(right) -> number => sum += 100 * number.unwrap_or(7),
            recv(bell) -> _ => leno::yield_now(),
            recv(end) -> _ => return,
        }
        if sum % 2 == 0 {
            // Disconnected channels are always ready.
            sleep(millis(1));
        }
        leno::select! {
            send(sums, sum) -> sent => match sent {
                Ok(()) => sum = 1,
                Err(_) => return,
            },
            default => sum += 1,
        }
    }
}

/// Returns a number that depends on every choice of the run.
pub fn run() -> u64 {
    let (left, numbers) = bounded(1);
    let (right, others) = bounded(0);
    let (sums, results) = bounded(2);
    left.set_name("left");
    right.set_name("right");
    spawn("left", move || produce(&left, 12));
    spawn("right", move || produce(&right, 9));
    spawn("chooser", move || choose(&numbers, &others, &sums));

    let hash = Rc::new(Cell::new(0u64));
    let mixed = hash.clone();
    let mix = move |value: u64| mixed.set(mixed.get().wrapping_mul(1_000_003) ^ value);
    let adder = mix.clone();
    let reader = spawn("reader", move || {
        loop {
            match timeout(millis(5), || results.recv()) {
                Ok(Ok(sum)) => adder(sum),
                Ok(Err(_)) => return,
                Err(_) => leno::yield_now(),
            }
        }
    });
    let parked = spawn("parked", || {
        thread::park();
        thread::park();
    });
    let adder = mix.clone();
    leno::scope(|scope| {
        for step in 1..=4u64 {
            let (adder, parked) = (&adder, parked.thread());
            scope.spawn(move || {
                for _ in 0..step {
                    adder(step);
                    leno::yield_now();
                }
                if step == 3 {
                    parked.unpark();
                }
            });
        }
    });
    let sleeper = spawn("sleeper", || sleep(Duration::from_secs(86_400)));
    sleep(millis(11));
    parked.cancel();
    sleeper.cancel();
    assert!(parked.join().is_err() && sleeper.join().is_err());
    reader.join().expect("the reader does not panic");
    hash.get()
}
