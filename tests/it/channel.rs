//! Channels: the behaviour that crossbeam-channel documents.

mod ends;
mod shortcuts;
mod timed;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::channel::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError, bounded,
    unbounded,
};
use leno::thread;
use leno::time::Duration;

use crate::support::{Ledger, panic_text};

#[test]
fn messages_keep_their_order_at_every_capacity() {
    for capacity in [Some(0), Some(1), Some(2), Some(3), Some(128), Some(10_000), None] {
        leno::run(|| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            leno::spawn(move || (0..1_000).for_each(|number| sender.send(number).unwrap()));
            assert!(receiver.iter().eq(0..1_000), "{capacity:?}");
            assert_eq!(receiver.recv(), Err(RecvError));
        });
    }
}

#[test]
fn each_message_goes_to_one_receiver_and_each_sender_keeps_its_order() {
    for capacity in [Some(0), Some(1), Some(7), None] {
        leno::run(|| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let got = RefCell::new(Vec::new());
            leno::scope(|scope| {
                for from in 0..4 {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        for number in 0..250 {
                            sender.send((from, number)).unwrap();
                            if number % 7 == from {
                                leno::yield_now();
                            }
                        }
                    });
                }
                drop(sender);
                for _ in 0..3 {
                    let (receiver, got) = (receiver.clone(), &got);
                    scope.spawn(move || {
                        for message in receiver {
                            got.borrow_mut().push(message);
                            leno::yield_now();
                        }
                    });
                }
            });
            let mut got = got.into_inner();
            assert_eq!(got.len(), 1_000);
            got.sort();
            got.dedup();
            assert_eq!(got.len(), 1_000, "no message came twice");
        });
    }
}

#[test]
fn waiters_at_both_ends_are_served_in_order() {
    leno::run(|| {
        let (sender, receiver) = bounded(0);
        let log = Rc::new(RefCell::new(Vec::new()));
        for number in 0..5 {
            let (receiver, log) = (receiver.clone(), log.clone());
            leno::spawn(move || {
                let got = receiver.recv().unwrap();
                log.borrow_mut().push((number, got));
            });
        }
        leno::yield_now();
        (0..5).for_each(|message| sender.try_send(message).unwrap());
        leno::yield_now();
        assert_eq!(log.take(), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        for number in 0..5 {
            let sender = sender.clone();
            leno::spawn(move || sender.send(number).unwrap());
        }
        leno::yield_now();
        assert!(receiver.try_iter().eq(0..5));
    });
}

#[test]
fn a_sender_cannot_overtake_a_waiting_sender() {
    leno::run(|| {
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let waits = sender.clone();
        let first = leno::spawn(move || waits.send(1));
        leno::yield_now();
        assert_eq!(receiver.try_recv(), Ok(0));
        // The waiting sender gets the place before it runs.
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        assert_eq!((receiver.len(), receiver.is_full()), (1, true));
        assert_eq!(receiver.recv(), Ok(1));
        first.join().unwrap().unwrap();
    });
}

#[test]
fn a_waiting_receiver_owns_its_message_before_it_runs() {
    leno::run(|| {
        let (sender, receiver) = unbounded();
        let waits = receiver.clone();
        let first = leno::spawn(move || waits.recv());
        leno::yield_now();
        sender.send("for the first").unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.len(), 0);
        assert_eq!(first.join().unwrap(), Ok("for the first"));
    });
}

#[test]
fn a_send_without_receivers_gives_the_value_back() {
    for capacity in [Some(0), Some(1), None] {
        leno::run(|| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let other = receiver.clone();
            drop(receiver);
            if capacity != Some(0) {
                sender.send(1).unwrap();
            }
            drop(other);
            assert_eq!(sender.len(), 0, "the unreceived message is gone");
            assert_eq!(sender.send(2), Err(SendError(2)));
            assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
            let error = sender.send_timeout(4, Duration::ZERO).unwrap_err();
            assert_eq!(error, SendTimeoutError::Disconnected(4));
            assert_eq!(sender.send(5).unwrap_err().into_inner(), 5);
        });
    }
}

#[test]
fn a_channel_without_senders_is_emptied_before_it_fails() {
    for capacity in [Some(3), None] {
        leno::run(|| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            (1..=3).for_each(|number| sender.send(number).unwrap());
            drop(sender);
            assert_eq!((receiver.len(), receiver.is_empty()), (3, false));
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Ok(2));
            assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(3));
            assert_eq!(receiver.recv(), Err(RecvError));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
            let error = receiver.recv_timeout(Duration::MAX).unwrap_err();
            assert_eq!(error, RecvTimeoutError::Disconnected);
            assert_eq!((receiver.iter().count(), receiver.try_iter().count()), (0, 0));
        });
    }
}

#[test]
fn dropping_the_last_end_wakes_every_waiter() {
    leno::run(|| {
        let (sender, receiver) = bounded::<u32>(0);
        let receives = (0..3).map(|_| receiver.clone()).map(|end| leno::spawn(move || end.recv()));
        let receiving: Vec<_> = receives.collect();
        leno::yield_now();
        let other = sender.clone();
        drop(sender);
        leno::yield_now();
        assert!(receiving.iter().all(|handle| !handle.is_finished()), "one sender is left");
        drop(other);
        for handle in receiving {
            assert_eq!(handle.join().unwrap(), Err(RecvError));
        }
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let sends = (1..=3).map(|number| (number, sender.clone()));
        let sending: Vec<_> =
            sends.map(|(number, end)| leno::spawn(move || end.send(number))).collect();
        leno::yield_now();
        drop(receiver);
        for (handle, number) in sending.into_iter().zip(1..) {
            assert_eq!(handle.join().unwrap(), Err(SendError(number)), "the value comes back");
        }
    });
}

#[test]
fn unreceived_messages_are_dropped_with_the_last_receiver() {
    for capacity in [Some(2), None] {
        let ledger = Ledger::default();
        leno::run(|| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            sender.send(ledger.value()).unwrap();
            sender.send(ledger.value()).unwrap();
            drop(receiver.recv());
            assert_eq!(ledger.alive(), 1);
            drop(receiver);
            assert_eq!(ledger.alive(), 0, "the sender does not keep the messages");
            drop(sender.send(ledger.value()));
            let (sender, receiver) = bounded(0);
            leno::spawn(move || drop(sender.send(ledger.value())));
            leno::yield_now();
            drop(receiver);
        });
    }
}

#[test]
fn a_destructor_of_a_message_may_use_the_channel() {
    struct SendsAgain(leno::channel::Sender<SendsAgain>, Rc<Cell<u32>>);
    impl Drop for SendsAgain {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if self.1.get() < 5 {
                let again = SendsAgain(self.0.clone(), self.1.clone());
                // Dropping the message that comes back does the same.
                drop(self.0.try_send(again));
            }
        }
    }
    leno::run(|| {
        let (drops, (sender, receiver)) = (Rc::new(Cell::new(0)), unbounded());
        sender.send(SendsAgain(sender.clone(), drops.clone())).unwrap();
        drop(receiver);
        assert_eq!(drops.get(), 5);
    });
}

#[test]
fn a_rendezvous_channel_holds_nothing() {
    leno::run(|| {
        let (sender, receiver) = bounded(0);
        assert_eq!((sender.len(), sender.capacity()), (0, Some(0)));
        assert!(sender.is_empty() && sender.is_full());
        assert!(receiver.is_empty() && receiver.is_full());
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let sends = leno::spawn(move || {
            sender.send(2).unwrap();
            sender.send(3)
        });
        leno::yield_now();
        assert_eq!(receiver.len(), 0, "a waiting sender is not a message");
        assert!(!sends.is_finished());
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        leno::yield_now();
        assert_eq!(receiver.recv(), Ok(3));
        assert_eq!(sends.join().unwrap(), Ok(()));
    });
}

#[test]
fn try_send_of_a_rendezvous_needs_a_waiting_receiver() {
    leno::run(|| {
        let (sender, receiver) = bounded(0);
        let receives = leno::spawn(move || receiver.recv());
        assert!(sender.try_send(1).is_err());
        leno::yield_now();
        assert_eq!(sender.try_send(2), Ok(()));
        assert!(sender.try_send(3).unwrap_err().is_full(), "the receiver takes one message");
        assert_eq!(receives.join().unwrap(), Ok(2));
    });
}

#[test]
fn a_channel_needs_a_runtime_only_to_wait() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.recv(), Ok(1));
    let calls: [(&str, &dyn Fn() -> bool); 4] = [
        ("Receiver::recv ", &|| receiver.recv().is_ok()),
        ("Receiver::recv_timeout ", &|| receiver.recv_timeout(Duration::ZERO).is_ok()),
        ("Receiver::recv ", &|| receiver.iter().next().is_some()),
        ("select! ", &|| leno::select! { recv(receiver) -> message => message.is_ok() }),
    ];
    for (function, call) in calls {
        let text = panic_text(call);
        assert!(text.starts_with(&format!("{function}needs a runtime")), "{text}");
        assert!(text.contains("leno::run"), "{text}");
    }
    sender.send(3).unwrap();
    let text = panic_text(|| sender.send(4));
    assert!(text.starts_with("Sender::send needs a runtime"), "{text}");
    // A channel may be moved into a runtime and out of it.
    assert_eq!(receiver.recv(), Ok(3));
    leno::run(|| drop(leno::spawn(move || sender.send(5))));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [5]);
}

#[test]
fn two_runtimes_may_share_a_channel() {
    let (sender, receiver) = bounded(0);
    let (one, other) = (leno::Runtime::new(), leno::Runtime::new());
    let builder = thread::Builder::new;
    let sends = move || (0..3).try_for_each(|number| sender.send(number));
    let sends = builder().spawn_on(&one, sends).unwrap();
    let receives = builder().spawn_on(&other, move || receiver.iter().collect::<Vec<_>>()).unwrap();
    while other.run_until_stalled() | one.run_until_stalled() {}
    assert_eq!(sends.join().unwrap(), Ok(()));
    assert_eq!(receives.join().unwrap(), [0, 1, 2]);
}
