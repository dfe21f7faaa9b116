//! Two selects at the two ends of a channel, and others that come to one.

use std::cell::Cell;

use leno::channel::{Receiver, RecvError, Select, SendError, Sender, TrySendError, bounded};
use leno::select;
#[cfg(feature = "weave")]
use leno::weave::Explorer;

use super::{SECOND, story};

/// A select with one operation.
pub fn to_send<T>(sender: &Sender<T>) -> Select<'_> {
    let mut select = Select::new();
    select.send(sender);
    select
}

pub fn to_receive<T>(receiver: &Receiver<T>) -> Select<'_> {
    let mut select = Select::new();
    select.recv(receiver);
    select
}

fn send_selected<T>(sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
    to_send(sender).select().send(sender, message)
}

pub fn receive_selected<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    to_receive(receiver).select().recv(receiver)
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
                let mut select = to_send(&sender);
                assert!(select.try_ready().is_err());
                assert!(select.ready_timeout(SECOND).is_err());
                select.try_select().unwrap().send(&sender, 1).unwrap();
            });
            assert!(waiting.join().unwrap());
        });
    });
}

#[test]
fn one_that_only_looks_is_passed_over() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| {
                let mut select = to_receive(&receiver);
                assert!(select.ready_timeout(SECOND).is_err());
            });
            scope.spawn(|| assert_eq!(receive_selected(&receiver), Ok(1)));
            scope.spawn(|| send_selected(&sender, 1).unwrap());
        });
    });
}

#[test]
fn it_goes_on_with_its_partner_even_if_something_else_comes() {
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
                let mut select = to_send(&sender);
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
                let mut sending = to_send(&sender);
                assert!(sending.ready_timeout(SECOND).is_err());
            });
        });
    });
}

/// Three that meet at two channels. Gives what the two that receive got.
#[cfg(feature = "weave")]
fn three_at_two(capacity: usize) -> (u32, u32) {
    let (one, receive_one) = bounded(capacity);
    let (other, receive_other) = bounded(0);
    let (first, second) = (Cell::new(0), Cell::new(0));
    leno::scope(|scope| {
        scope.spawn(|| {
            send_selected(&one, 1).unwrap();
            let mut select = Select::new();
            let to_one = select.send(&one);
            select.send(&other);
            let selected = select.select();
            let to = if selected.index() == to_one { (&one, 2) } else { (&other, 3) };
            selected.send(to.0, to.1).unwrap();
        });
        scope.spawn(|| first.set(receive_selected(&receive_one).unwrap()));
        scope.spawn(|| {
            let mut select = Select::new();
            let from_one = select.recv(&receive_one);
            select.recv(&receive_other);
            let selected = select.select();
            let is_one = selected.index() == from_one;
            let from = if is_one { &receive_one } else { &receive_other };
            second.set(selected.recv(from).unwrap());
        });
    });
    (first.get(), second.get())
}

#[cfg(feature = "weave")]
#[test]
fn those_who_have_met_count_on_each_other_whoever_runs_in_between() {
    for capacity in [0, 1] {
        for explorer in [Explorer::new(), Explorer::new().preemptive()] {
            let outcomes = [explorer.clone(), explorer.reduced()].map(|explorer| {
                let report = explorer.explore(|| three_at_two(capacity));
                assert!(report.is_complete() && report.failures().is_empty(), "{report}");
                let mut outcomes: Vec<_> = report.outcomes().keys().copied().collect();
                outcomes.sort_unstable();
                outcomes
            });
            assert_eq!(outcomes, [[(1, 2), (1, 3), (2, 1)]; 2]);
        }
    }
}

#[test]
fn those_who_have_met_wait_for_each_other() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| {
                let mut select = to_receive(&receiver);
                let selected = select.select();
                leno::sleep(SECOND);
                assert_eq!(selected.recv(&receiver), Ok(1));
            });
            scope.spawn(|| {
                let mut select = to_send(&sender);
                let selected = select.select();
                leno::sleep(2 * SECOND);
                selected.send(&sender, 1).unwrap();
            });
        });
    });
}
