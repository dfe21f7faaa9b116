//! Two selects at the two ends of a channel, and others that come to one.

use std::cell::Cell;

use leno::channel::{Receiver, RecvError, Select, SendError, Sender, TrySendError, bounded};
use leno::select;

use super::{SECOND, story};

/// Sends, with a select.
fn send_selected<T>(sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
    let mut select = Select::new();
    select.send(sender);
    select.select().send(sender, message)
}

pub fn receive_selected<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    let mut select = Select::new();
    select.recv(receiver);
    select.select().recv(receiver)
}

#[test]
fn two_of_them_meet_whoever_comes_first() {
    for sender_is_first in [true, false] {
        story(|| {
            let (sender, receiver) = bounded(0);
            let sending = move || (0..5).for_each(|n| send_selected(&sender, n).unwrap());
            let receiving = move || {
                let got: Vec<i32> = (0..5).map(|_| receive_selected(&receiver).unwrap()).collect();
                assert_eq!(got, [0, 1, 2, 3, 4]);
            };
            leno::scope(|scope| {
                if sender_is_first {
                    scope.spawn(sending);
                    scope.spawn(receiving);
                } else {
                    scope.spawn(receiving);
                    scope.spawn(sending);
                }
            });
        });
    }
}

#[test]
fn one_that_could_meet_itself_meets_another() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let sums = Cell::new((0, 0));
        leno::scope(|scope| {
            for number in 1..=4 {
                let (sender, receiver, sums) = (&sender, &receiver, &sums);
                scope.spawn(move || {
                    let mut select = Select::new();
                    select.send(sender);
                    select.recv(receiver);
                    let selected = select.select();
                    let (sent, received) = sums.get();
                    if selected.index() == 0 {
                        sums.set((sent + number, received));
                        selected.send(sender, number).unwrap();
                    } else {
                        let got = selected.recv(receiver).unwrap();
                        let (sent, received) = sums.get();
                        sums.set((sent, received + got));
                    }
                });
            }
        });
        let (sent, received) = sums.get();
        assert_eq!(sent, received);
        assert!(sent >= 3, "two pairs have met, and one is {sent}");
    });
}

#[test]
fn it_meets_a_select_of_the_other_kind() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| {
                for n in 0..4 {
                    select! { send(sender, n) -> result => result.unwrap() }
                }
                assert_eq!(select! { recv(receiver) -> n => n }, Ok(7));
            });
            scope.spawn(|| {
                for n in 0..4 {
                    assert_eq!(receive_selected(&receiver), Ok(n));
                }
                send_selected(&sender, 7).unwrap();
            });
        });
    });
}

#[test]
fn one_that_is_only_ready_does_not_meet_another() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            let waiting = scope.spawn(|| receive_selected(&receiver).is_ok());
            scope.spawn(|| {
                let mut select = Select::new();
                select.send(&sender);
                assert!(select.try_ready().is_err());
                assert!(select.ready_timeout(SECOND).is_err());
                select.try_select().unwrap().send(&sender, 1).unwrap();
            });
            assert!(waiting.join().unwrap());
        });
    });
}

#[test]
fn it_goes_on_with_what_it_was_woken_for_if_that_is_still_there() {
    story(|| {
        for _ in 0..20 {
            let (first, receive_first) = bounded(0);
            let (second, receive_second) = bounded(1);
            leno::scope(|scope| {
                scope.spawn(|| {
                    let mut select = Select::new();
                    select.send(&first);
                    select.recv(&receive_second);
                    let selected = select.select();
                    assert_eq!(selected.index(), 0, "somebody counts on it");
                    selected.send(&first, 1).unwrap();
                });
                scope.spawn(|| assert_eq!(receive_selected(&receive_first), Ok(1)));
                scope.spawn(|| second.send(2).unwrap());
            });
        }
    });
}

#[test]
fn what_never_waits_does_not_meet_it_without_a_buffer() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| assert_eq!(receive_selected(&receiver), Ok(2)));
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
                    leno::yield_now();
                }
                sender.send(2).unwrap();
            });
        });
    });
}

#[test]
fn ready_is_woken_by_one_who_waits() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| {
                let mut select = Select::new();
                select.send(&sender);
                assert_eq!(select.ready(), 0);
                assert_eq!(sender.try_send(4), Ok(()));
            });
            scope.spawn(|| assert_eq!(receiver.recv(), Ok(4)));
        });
    });
}

#[test]
fn ready_takes_nothing() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| sender.send(1).unwrap());
            scope.spawn(|| {
                let mut select = Select::new();
                let index = select.recv(&receiver);
                assert_eq!((select.ready(), select.ready()), (index, index));
                assert_eq!(receiver.try_recv(), Ok(1));
                assert!(select.try_ready().is_err());
                // One that only wants to know is no partner.
                let mut to_send = Select::new();
                to_send.send(&sender);
                assert!(to_send.ready_timeout(SECOND).is_err());
            });
        });
    });
}
