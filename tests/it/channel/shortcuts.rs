//! The fast path of sends and receives that change only the buffer. It must be closed
//! as soon as a green thread waits. Each test opens it first, by traffic.

use std::cell::Cell;
use std::rc::Rc;

use leno::channel::{
    Receiver, RecvTimeoutError, Select, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, unbounded,
};
use leno::thread;
use leno::time::Duration;

use crate::support::panic_text;

const SHORT: Duration = Duration::from_millis(1);

/// Returns an empty channel in which the fast path is open at both ends.
fn warm(capacity: Option<usize>) -> (Sender<u32>, Receiver<u32>) {
    let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
    for round in 0..3 {
        for number in 0..capacity.unwrap_or(10) as u32 {
            sender.try_send(round + number).unwrap();
        }
        for number in 0..capacity.unwrap_or(10) as u32 {
            assert_eq!(receiver.try_recv(), Ok(round + number));
        }
    }
    (sender, receiver)
}

const CAPACITIES: [Option<usize>; 5] = [Some(1), Some(2), Some(3), Some(5), None];

#[test]
fn a_new_waiting_receiver_gets_the_next_message() {
    for capacity in CAPACITIES {
        leno::run(|| {
            let (sender, receiver) = warm(capacity);
            let waits = leno::spawn(move || (receiver.recv(), receiver.recv()));
            leno::yield_now();
            sender.send(1).unwrap();
            assert_eq!(sender.len(), 0, "the message went to the receiver");
            sender.send(2).unwrap();
            assert_eq!(waits.join().unwrap(), (Ok(1), Ok(2)));
        });
    }
}

#[test]
fn a_new_waiting_sender_gets_the_next_place() {
    for capacity in CAPACITIES.into_iter().flatten() {
        leno::run(|| {
            let (sender, receiver) = warm(Some(capacity));
            let count = capacity as u32;
            (0..count).for_each(|number| sender.send(number).unwrap());
            let waits = leno::spawn(move || sender.send(count));
            leno::yield_now();
            assert_eq!(receiver.recv(), Ok(0));
            assert_eq!(receiver.len(), capacity, "the message of the sender followed");
            assert!(receiver.iter().eq(1..=count));
            assert_eq!(waits.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_new_select_is_woken_by_messages_and_room() {
    for capacity in CAPACITIES {
        leno::run(|| {
            let (sender, receiver) = warm(capacity);
            let watches = leno::spawn(move || {
                let mut select = Select::new();
                select.recv(&receiver);
                let message = select.select().recv(&receiver);
                drop(select);
                (message, receiver)
            });
            leno::yield_now();
            sender.send(1).unwrap();
            let (message, receiver) = watches.join().unwrap();
            assert_eq!(message, Ok(1));
            let Some(capacity) = capacity else { return };
            (0..capacity as u32).for_each(|number| sender.send(number).unwrap());
            let watches = leno::spawn(move || {
                let mut select = Select::new();
                select.send(&sender);
                select.select().send(&sender, 100)
            });
            leno::yield_now();
            assert_eq!(receiver.recv(), Ok(0));
            assert_eq!(watches.join().unwrap(), Ok(()));
            assert!(receiver.iter().eq((1..capacity as u32).chain([100])));
        });
    }
}

#[test]
fn a_new_select_macro_is_served_at_either_end() {
    leno::run(|| {
        let (sender, receiver) = warm(Some(3));
        let (_full, never) = bounded::<u32>(0);
        let waits = leno::spawn(move || {
            let message = leno::select! {
                recv(never) -> message => message,
                recv(receiver) -> message => message,
            };
            (message, receiver)
        });
        leno::yield_now();
        sender.send(1).unwrap();
        let (message, receiver) = waits.join().unwrap();
        assert_eq!(message, Ok(1));
        (0..3).for_each(|number| sender.send(number).unwrap());
        let waits = leno::spawn(move || leno::select! { send(sender, 3) -> sent => sent });
        leno::yield_now();
        assert!(receiver.iter().eq(0..4));
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn dropping_the_last_end_closes_the_fast_path() {
    for capacity in CAPACITIES {
        let (sender, receiver) = warm(capacity);
        sender.try_send(1).unwrap();
        let other = receiver.clone();
        drop(receiver);
        assert_eq!(other.try_recv(), Ok(1));
        drop(other);
        assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
        assert_eq!(leno::run(move || sender.send(3)), Err(SendError(3)));
        let (sender, receiver) = warm(capacity);
        sender.try_send(1).unwrap();
        drop(sender);
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn a_channel_works_after_a_wait_ends_early() {
    leno::Builder::new().virtual_time().run(|| {
        let (sender, receiver) = warm(Some(3));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        let waits = receiver.clone();
        let cancelled = leno::spawn(move || receiver.recv());
        leno::yield_now();
        cancelled.cancel();
        (0..3).for_each(|number| sender.send(number).unwrap());
        assert_eq!(sender.send_timeout(9, SHORT), Err(SendTimeoutError::Timeout(9)));
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        assert!(cancelled.join().is_err());
        assert!(waits.try_iter().eq(0..3));
    });
}

#[test]
fn a_capacity_of_any_size_is_never_exceeded() {
    for capacity in [1, 3, 5, 6, 7, 9, 100] {
        let (sender, receiver) = warm(Some(capacity));
        for _ in 0..3 {
            for number in 0..capacity as u32 {
                sender.try_send(number).unwrap();
            }
            assert_eq!(sender.try_send(7), Err(TrySendError::Full(7)));
            assert_eq!((receiver.len(), receiver.is_full()), (capacity, true));
            receiver.try_recv().unwrap();
            sender.try_send(8).unwrap();
            assert_eq!(sender.try_send(7), Err(TrySendError::Full(7)));
            assert_eq!(receiver.try_iter().count(), capacity);
        }
    }
}

/// A message whose destructor uses its own channel.
struct Reenters(Sender<Reenters>, Rc<Cell<usize>>);

impl Drop for Reenters {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
        assert!(self.0.is_empty());
        if self.1.get() < 10 {
            let refused = self.0.try_send(Reenters(self.0.clone(), self.1.clone()));
            assert!(refused.as_ref().is_err_and(TrySendError::is_disconnected));
        }
    }
}

#[test]
fn a_message_dropped_by_the_last_receiver_may_use_its_channel() {
    let (sender, receiver) = unbounded();
    let dropped = Rc::new(Cell::new(0));
    (0..20).for_each(|_| sender.try_send(Reenters(sender.clone(), dropped.clone())).unwrap());
    drop(receiver);
    assert_eq!(dropped.get(), 20 + 9);
}

#[test]
fn a_panicking_destructor_leaves_no_message_in_the_buffer() {
    struct Panics(Rc<Cell<usize>>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() != 3, "the third panics");
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let (sender, receiver) = bounded(10);
    (0..10).for_each(|_| drop(sender.try_send(Panics(dropped.clone()))));
    let text = panic_text(|| drop(receiver));
    assert_eq!((dropped.get(), &*text), (10, "the third panics"));
    assert!(sender.is_empty());
    leno::run(|| assert!(!thread::panicking()));
}
