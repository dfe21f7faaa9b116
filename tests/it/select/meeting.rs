//! Selects that meet at the two ends of a channel.

use std::cell::Cell;

use leno::channel::{Receiver, RecvError, Select, SendError, Sender, bounded};
#[cfg(feature = "weave")]
use leno::weave::Explorer;
use leno::{select, thread};

use super::{SECOND, story};
use crate::support::{panic_text, spawn_each};
#[cfg(feature = "weave")]
use crate::weave::values;

/// Returns a select with one send.
pub fn to_send<T>(sender: &Sender<T>) -> Select<'_> {
    let mut select = Select::new();
    select.send(sender);
    select
}

/// Returns a select with a receive from each receiver.
pub fn to_receive_any<'a, T: 'a>(
    receivers: impl IntoIterator<Item = &'a Receiver<T>>,
) -> Select<'a> {
    let mut select = Select::new();
    for receiver in receivers {
        select.recv(receiver);
    }
    select
}

pub fn to_receive<T>(receiver: &Receiver<T>) -> Select<'_> {
    to_receive_any([receiver])
}

pub fn send_selected<T>(sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
    to_send(sender).select().send(sender, message)
}

pub fn receive_selected<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    to_receive(receiver).select().recv(receiver)
}

/// A body of a green thread, with the two ends of a channel.
pub type Side<'a> = &'a dyn Fn(&Sender<i32>, &Receiver<i32>);

/// Runs the bodies in green threads with the ends of an unbuffered channel.
pub fn meet(sides: &[Side<'_>]) {
    story(|| {
        let (sender, receiver) = bounded(0);
        spawn_each(sides, |side| side(&sender, &receiver));
    });
}

#[test]
fn selects_meet_in_either_order() {
    let sends: Side<'_> = &|sender, _| (0..5).for_each(|n| send_selected(sender, n).unwrap());
    let receives: Side<'_> =
        &|_, receiver| (0..5).for_each(|n| assert_eq!(receive_selected(receiver), Ok(n)));
    meet(&[sends, receives]);
    meet(&[receives, sends]);
}

#[test]
fn a_select_on_both_ends_meets_another() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let sums = Cell::new((0, 0));
        spawn_each(1..=4, |number| {
            let mut select = Select::new();
            select.send(&sender);
            select.recv(&receiver);
            let selected = select.select();
            let (sent, received) = sums.get();
            if selected.index() == 0 {
                sums.set((sent + number, received));
                selected.send(&sender, number).unwrap();
            } else {
                let got = selected.recv(&receiver).unwrap();
                let (sent, received) = sums.get();
                sums.set((sent, received + got));
            }
        });
        let (sent, received) = sums.get();
        assert_eq!(sent, received);
        assert!(sent >= 3, "two pairs must meet, and the sum of the sent numbers is {sent}");
    });
}

#[test]
fn a_dynamic_select_meets_a_static_select() {
    meet(&[
        &|sender, receiver| {
            for n in 0..4 {
                select! { send(sender, n) -> result => result.unwrap() }
            }
            assert_eq!(select! { recv(receiver) -> n => n }, Ok(7));
        },
        &|sender, receiver| {
            (0..4).for_each(|n| assert_eq!(receive_selected(receiver), Ok(n)));
            send_selected(sender, 7).unwrap();
        },
    ]);
}

#[test]
fn a_ready_call_is_passed_over() {
    meet(&[
        &|_, receiver| assert!(to_receive(receiver).ready_timeout(SECOND).is_err()),
        &|_, receiver| assert_eq!(receive_selected(receiver), Ok(1)),
        &|sender, _| send_selected(sender, 1).unwrap(),
    ]);
}

#[test]
fn a_met_select_continues_with_its_partner() {
    for _ in 0..20 {
        let (other, receive_other) = bounded(1);
        meet(&[
            &|sender, _| {
                let mut select = Select::new();
                select.send(sender);
                select.recv(&receive_other);
                let selected = select.select();
                assert_eq!(selected.index(), 0, "the partner relies on the meeting");
                selected.send(sender, 1).unwrap();
            },
            &|_, receiver| assert_eq!(receive_selected(receiver), Ok(1)),
            &|_, _| other.send(2).unwrap(),
        ]);
    }
}

#[test]
fn a_waiting_receiver_wakes_ready() {
    meet(&[
        &|sender, _| {
            assert_eq!(to_send(sender).ready(), 0);
            assert_eq!(sender.try_send(4), Ok(()));
        },
        &|_, receiver| assert_eq!(receiver.recv(), Ok(4)),
    ]);
}

#[test]
fn ready_takes_nothing() {
    meet(&[&|sender, _| sender.send(1).unwrap(), &|sender, receiver| {
        let mut select = Select::new();
        let index = select.recv(receiver);
        assert_eq!((select.ready(), select.ready()), (index, index));
        assert_eq!(receiver.try_recv(), Ok(1));
        assert!(select.try_ready().is_err());
        // A thread in `ready` is no partner.
        assert!(to_send(sender).ready_timeout(SECOND).is_err());
    }]);
}

/// Lets three selects meet at two channels. Returns the messages of the two
/// receivers.
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
            let mut select = to_receive_any([&receive_one, &receive_other]);
            let selected = select.select();
            let is_one = selected.index() == 0;
            let from = if is_one { &receive_one } else { &receive_other };
            second.set(selected.recv(from).unwrap());
        });
    });
    (first.get(), second.get())
}

#[cfg(feature = "weave")]
#[test]
fn partners_rely_on_each_other_in_every_interleaving() {
    for capacity in [0, 1] {
        for explorer in [Explorer::new(), Explorer::new().preemptive()] {
            let outcomes = [explorer.clone(), explorer.reduced()].map(|explorer| {
                let report = explorer.explore(|| three_at_two(capacity));
                assert!(report.is_complete() && report.failures().is_empty(), "{report}");
                values(&report)
            });
            assert_eq!(outcomes, [[(1, 2), (1, 3), (2, 1)]; 2]);
        }
    }
}

#[test]
fn partners_wait_for_each_other() {
    meet(&[
        &|_, receiver| {
            let mut select = to_receive(receiver);
            let selected = select.select();
            leno::sleep(SECOND);
            assert_eq!(selected.recv(receiver), Ok(1));
        },
        &|sender, _| {
            let mut select = to_send(sender);
            let selected = select.select();
            leno::sleep(2 * SECOND);
            selected.send(sender, 1).unwrap();
        },
    ]);
}

/// Sends or receives with a select on both ends. Returns the message of the other side, if any.
fn exchange(sender: &Sender<i32>, receiver: &Receiver<i32>, message: i32) -> Option<i32> {
    let mut select = to_send(sender);
    select.recv(receiver);
    let selected = select.select();
    if selected.index() == 0 {
        selected.send(sender, message).unwrap();
        return None;
    }
    Some(selected.recv(receiver).unwrap())
}

#[test]
fn no_third_select_comes_between_a_pair() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let received = Cell::new(0);
        leno::scope(|scope| {
            // One of the selects is left without another, and meets the send.
            for number in 0..41 {
                let (sender, receiver, received) = (&sender, &receiver, &received);
                scope.spawn(move || {
                    let got = exchange(sender, receiver, number).is_some();
                    received.set(received.get() + i32::from(got));
                });
            }
            sender.send(-1).unwrap();
        });
        assert_eq!(received.get(), 21);
    });
}

#[cfg(feature = "weave")]
#[test]
fn pairs_of_selects_meet_in_every_order() {
    let report = Explorer::new().reduced().explore(|| {
        let (sender, receiver) = bounded(0);
        let received = Cell::new(0);
        spawn_each(0..4, |number| {
            let got = exchange(&sender, &receiver, number).is_some();
            received.set(received.get() + i32::from(got));
        });
        received.get()
    });
    assert!(report.failure().is_none());
    assert_eq!(values(&report), [2]);
}

#[test]
fn a_broken_promise_frees_the_partner() {
    story(|| {
        // The side that breaks its promise selects first, or selects last.
        for breaks_first in [true, false] {
            let (sender, receiver) = bounded(0);
            let breaks = || {
                let selected = to_send(&sender).select();
                assert!(panic_text(|| drop(selected)).contains("not completed"));
            };
            let keeps = || assert_eq!(receive_selected(&receiver), Ok(7));
            leno::scope(|scope| {
                if breaks_first {
                    scope.spawn(breaks);
                    scope.spawn(keeps);
                } else {
                    scope.spawn(keeps);
                    scope.spawn(breaks);
                }
                leno::yield_now();
                sender.send(7).unwrap();
            });
        }
    });
}

#[test]
fn a_cancelled_partner_frees_the_other() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            let cancelled = scope.spawn(|| {
                let selected = to_send(&sender).select();
                // The select at the other end has not completed its part, and waits for this one.
                thread::sleep(SECOND);
                selected.send(&sender, 1).unwrap();
            });
            scope.spawn(|| assert_eq!(receive_selected(&receiver), Ok(2)));
            leno::yield_now();
            leno::yield_now();
            cancelled.cancel();
            sender.send(2).unwrap();
            assert!(cancelled.join().is_err());
        });
    });
}
