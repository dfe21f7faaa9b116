//! Sends and receives that change the buffer and nothing else take a shortcut, which has to
//! be closed as soon as there is more to do. Each test opens it first, by traffic.

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

/// Returns an empty channel in which both shortcuts are open.
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
fn a_receiver_that_begins_to_wait_is_given_the_next_message() {
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
fn a_sender_that_begins_to_wait_is_let_in_by_the_next_receive() {
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
fn a_select_that_begins_to_watch_is_woken_by_a_message_and_by_room() {
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
fn a_select_macro_that_begins_to_wait_is_served_at_either_end() {
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
fn the_last_receiver_and_the_last_sender_end_a_channel_with_open_shortcuts() {
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
fn a_wait_that_ends_early_leaves_a_channel_that_works() {
    leno::Builder::new().virtual_time().run(|| {
        let (sender, receiver) = warm(Some(3));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        let (waits, cancelled) = (
            receiver.clone(),
            leno::spawn({
                let receiver = receiver.clone();
                move || receiver.recv()
            }),
        );
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
fn a_capacity_that_is_no_power_of_two_is_never_exceeded() {
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

/// Uses the channel that it was sent to when it is dropped.
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
fn a_message_may_use_its_channel_when_the_last_receiver_drops_it() {
    let (sender, receiver) = unbounded();
    let dropped = Rc::new(Cell::new(0));
    (0..20).for_each(|_| sender.try_send(Reenters(sender.clone(), dropped.clone())).unwrap());
    drop(receiver);
    assert_eq!(dropped.get(), 20 + 9);
}

#[test]
fn a_destructor_that_panics_in_the_buffer_leaves_no_message_behind() {
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
