//! Rows of crossbeam-channel between OS threads that share one processor.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select as select_any, unbounded};

use crate::time;

fn messages(count: u64, channel: (Sender<u64>, Receiver<u64>)) -> Duration {
    let (sender, receiver) = channel;
    let other = thread::spawn(move || {
        for message in 0..=count {
            sender.send(message).expect("the receiver is alive");
        }
    });
    black_box(receiver.recv().expect("a sender is alive"));
    let elapsed = time(count, |_| {
        black_box(receiver.recv().expect("a sender is alive"));
    });
    other.join().expect("it does not panic");
    elapsed
}

pub fn bounded_channel(count: u64) -> Duration {
    messages(count, bounded(128))
}

pub fn rendezvous_channel(count: u64) -> Duration {
    messages(count, bounded(0))
}

pub fn unbounded_channel(count: u64) -> Duration {
    messages(count, unbounded())
}

pub fn select(count: u64) -> Duration {
    let [(one, one_ends), (other, other_ends)] = [0, 1].map(|_| {
        let (sender, receiver) = bounded(128);
        (receiver, thread::spawn(move || while sender.send(1u64).is_ok() {}))
    });
    let elapsed = time(count, |_| {
        select_any! {
            recv(one) -> message => black_box(message.expect("a sender is alive")),
            recv(other) -> message => black_box(message.expect("a sender is alive")),
        };
    });
    drop((one, other));
    one_ends.join().expect("it does not panic");
    other_ends.join().expect("it does not panic");
    elapsed
}
