//! Channels: the behaviour that `std::sync::mpsc` documents.

use std::rc::Rc;

use leno::sync::mpsc::{
    Receiver, RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError, channel,
    sync_channel,
};
use leno::thread;
use leno::time::{Duration, Instant, sleep};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::{Ledger, panic_text};

#[test]
fn messages_arrive_in_the_order_of_sending() {
    run(|| {
        let (sender, receiver) = channel();
        thread::spawn(move || (0..10).for_each(|n| sender.send(n).unwrap()));
        assert_eq!(receiver.recv(), Ok(0));
        let rest: Vec<i32> = receiver.into_iter().collect();
        assert_eq!(rest, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn many_senders_reach_one_receiver() {
    run(|| {
        let (sender, receiver) = channel();
        for n in 0..10 {
            let sender = sender.clone();
            thread::spawn(move || sender.send(n).unwrap());
        }
        drop(sender);
        assert_eq!((&receiver).into_iter().sum::<i32>(), 45);
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn messages_outlive_their_senders() {
    let (sender, receiver) = channel();
    sender.send(1).unwrap();
    sender.clone().send(2).unwrap();
    drop(sender);
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.recv_timeout(SECOND), Err(RecvTimeoutError::Disconnected));
    assert_eq!(receiver.iter().next(), None);
}

#[test]
fn sending_without_a_receiver_gives_the_message_back() {
    let (sender, receiver) = channel();
    drop(receiver);
    assert_eq!(sender.send(5), Err(SendError(5)));
    let (sender, receiver) = sync_channel(1);
    drop(receiver);
    assert_eq!(sender.send(5), Err(SendError(5)));
    assert_eq!(sender.try_send(6), Err(TrySendError::Disconnected(6)));
}

#[test]
fn unreceived_messages_are_dropped_with_the_receiver() {
    let ledger = Ledger::default();
    let (sender, receiver) = channel();
    (0..3).for_each(|_| sender.send(ledger.value()).unwrap());
    drop(receiver.recv());
    assert_eq!(ledger.alive(), 2);
    drop(receiver);
    ledger.check();
}

#[test]
fn a_sync_channel_holds_only_its_capacity() {
    run(|| {
        let (sender, receiver) = sync_channel(2);
        let log = Log::default();
        let words = log.clone();
        let other = sender.clone();
        let one = thread::spawn(move || {
            for n in 0..4 {
                other.send(n).unwrap();
                words.write(n);
            }
        });
        settle();
        assert_eq!(log.take(), "0 1");
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        assert_eq!(receiver.recv(), Ok(0));
        settle();
        assert_eq!(log.take(), "2");
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
        one.join().unwrap();
    });
}

#[test]
fn a_sync_channel_of_capacity_zero_is_a_rendezvous() {
    run(|| {
        let (sender, receiver) = sync_channel(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let log = Log::default();
        let words = log.clone();
        let one = thread::spawn(move || {
            sender.send(2).unwrap();
            words.write("received");
            sender.send(3)
        });
        settle();
        assert_eq!(log.take(), "");
        assert_eq!(receiver.try_recv(), Ok(2));
        settle();
        assert_eq!(log.take(), "received");
        // A waiting sender gets an error when the receiver is dropped.
        drop(receiver);
        assert_eq!(one.join().unwrap(), Err(SendError(3)));
    });
}

#[test]
fn try_iter_ends_at_an_empty_channel() {
    let (sender, receiver) = channel();
    assert_eq!(receiver.try_iter().next(), None);
    (1..=3).for_each(|n| sender.send(n).unwrap());
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn receiving_has_a_deadline() {
    run(|| {
        let (sender, receiver) = channel();
        let start = Instant::now();
        assert_eq!(receiver.recv_timeout(SECOND), Err(RecvTimeoutError::Timeout));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), SECOND);
        let one = thread::spawn(move || {
            sleep(SECOND);
            sender.send("late").unwrap();
            sleep(SECOND);
        });
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok("late"));
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(receiver.recv_timeout(5 * SECOND), Err(RecvTimeoutError::Disconnected));
        assert_eq!(start.elapsed(), 3 * SECOND);
        one.join().unwrap();
    });
}

#[test]
fn a_cancelled_waiter_neither_takes_nor_leaves_a_message() {
    run(|| {
        let (sender, receiver) = sync_channel(0);
        let receiver = Rc::new(receiver);
        let other = receiver.clone();
        let receives = thread::spawn(move || other.recv());
        settle();
        receives.cancel();
        // The cancelled receiver has not run since.
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert_cancelled(receives);
        let other = sender.clone();
        let sends = thread::spawn(move || other.send(2));
        settle();
        sends.cancel();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_cancelled(sends);
    });
}

#[test]
fn a_named_channel_needs_a_runtime_to_wait() {
    let (sender, receiver) = channel::<i32>();
    sender.set_name("orders");
    receiver.set_name("too late");
    let expected = "needs a runtime: call it from inside leno::run";
    assert_eq!(panic_text(|| receiver.recv()), format!("Receiver::recv {expected}"));
    let (full, _receiver): (_, Receiver<i32>) = sync_channel(0);
    full.set_name("deliveries");
    assert_eq!(panic_text(|| full.send(1)), format!("Sender::send {expected}"));
    let shown = format!("{sender:?} {full:?} {receiver:?}");
    assert_eq!(shown, "Sender { .. } SyncSender { .. } Receiver { .. }");
}
