//! Operations that never wait, `ready` and `select!`, where only a `Select` waits at the other end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::channel::{
    Receiver, Select, SelectedOperation, Sender, TryRecvError, TrySendError, bounded,
};
use leno::time::{Elapsed, timeout};
use leno::{Runtime, select, select_biased, thread};

use super::meeting::{
    Side, meet, receive_selected, send_selected, to_receive, to_receive_any, to_send,
};
use super::{SECOND, sleep, story};
use crate::support::{Ledger, panic_text};

/// Returns a body that receives this message by a `Select`.
fn receives(message: i32) -> impl Fn(&Sender<i32>, &Receiver<i32>) {
    move |_, receiver| assert_eq!(receive_selected(receiver), Ok(message))
}

/// Returns a body that sends this message by a `Select`.
fn sends(message: i32) -> impl Fn(&Sender<i32>, &Receiver<i32>) {
    move |sender, _| send_selected(sender, message).unwrap()
}

/// Gives a selected operation up.
fn give_up(selected: SelectedOperation<'_>) {
    assert!(panic_text(|| drop(selected)).contains("not completed"));
}

#[test]
fn try_send_meets_a_waiting_select() {
    meet(&[&receives(1), &receives(2), &|sender, _| {
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Ok(()));
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    }]);
}

#[test]
fn try_recv_meets_a_waiting_select() {
    meet(&[&sends(1), &sends(2), &|_, receiver| {
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2]);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }]);
}

#[test]
fn only_try_recv_waits_for_its_partner() {
    let log = RefCell::new(Vec::new());
    let note = |event: &'static str| log.borrow_mut().push(event);
    meet(&[
        &|_, receiver| {
            let mut select = to_receive(receiver);
            let selected = select.select();
            sleep(SECOND);
            note("completes the receive");
            assert_eq!(selected.recv(receiver), Ok(1));
        },
        &|sender, _| {
            sender.try_send(1).unwrap();
            note("has sent");
        },
    ]);
    meet(&[
        &|sender, _| {
            let mut select = to_send(sender);
            let selected = select.select();
            sleep(SECOND);
            note("completes the send");
            selected.send(sender, 2).unwrap();
        },
        &|_, receiver| {
            assert_eq!(receiver.try_recv(), Ok(2));
            note("has received");
        },
    ]);
    let order = ["has sent", "completes the receive", "completes the send", "has received"];
    assert_eq!(*log.borrow(), order);
}

#[test]
fn a_select_that_only_looks_is_no_partner() {
    meet(&[
        &|_, receiver| assert!(to_receive(receiver).ready_timeout(SECOND).is_err()),
        &|sender, _| assert_eq!(sender.try_send(1), Err(TrySendError::Full(1))),
    ]);
    meet(&[
        &|sender, _| assert!(to_send(sender).ready_timeout(SECOND).is_err()),
        &|_, receiver| assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty)),
        &|_, receiver| assert!(to_receive(receiver).ready_timeout(SECOND).is_err()),
    ]);
}

#[test]
fn a_select_with_default_meets_a_waiting_select() {
    meet(&[&receives(1), &|sender, _| {
        let sent = select! { send(sender, 1) -> sent => sent.is_ok(), default => false };
        assert!(sent);
        assert!(!select! { send(sender, 2) -> sent => sent.is_ok(), default => false });
    }]);
    meet(&[&sends(1), &|_, receiver| {
        assert_eq!(select! { recv(receiver) -> got => got.ok(), default => None }, Some(1));
        assert_eq!(select! { recv(receiver) -> got => got.ok(), default => None }, None);
    }]);
    meet(&[&receives(1), &|sender, _| {
        to_send(sender).try_select().unwrap().send(sender, 1).unwrap();
    }]);
}

#[test]
fn ready_finds_a_waiting_select() {
    meet(&[&receives(1), &|sender, _| {
        let mut select = to_send(sender);
        assert_eq!((select.try_ready(), select.ready()), (Ok(0), 0));
        assert_eq!(sender.try_send(1), Ok(()));
        assert!(select.try_ready().is_err());
    }]);
    meet(&[&sends(1), &|_, receiver| {
        assert_eq!(to_receive(receiver).ready(), 0);
        assert_eq!(receiver.try_recv(), Ok(1));
    }]);
}

#[test]
fn a_select_that_begins_to_wait_wakes_ready() {
    meet(&[
        &|sender, _| {
            assert_eq!(to_send(sender).ready(), 0);
            assert_eq!(sender.try_send(1), Ok(()));
        },
        &receives(1),
    ]);
    meet(&[
        &|_, receiver| {
            assert_eq!(to_receive(receiver).ready(), 0);
            assert_eq!(receiver.recv(), Ok(1));
        },
        &sends(1),
    ]);
}

#[test]
fn ready_waits_on_after_the_select_has_left() {
    meet(&[
        &|sender, _| {
            // The select that wakes it meets the third thread before.
            assert_eq!(to_send(sender).ready(), 0);
            assert_eq!(sender.try_send(2), Ok(()));
        },
        &receives(0),
        &|sender, _| assert_eq!(sender.try_send(0), Ok(())),
        &|_, receiver| {
            sleep(SECOND);
            assert_eq!(receive_selected(receiver), Ok(2));
        },
    ]);
}

/// crossbeam-channel's test `fairness2`, which ended in a deadlock.
#[test]
fn ready_is_fair_to_a_channel_without_buffer() {
    const COUNT: usize = 3_000;
    story(|| {
        let (free, receive_free) = leno::channel::unbounded();
        let (one, receive_one) = bounded(1);
        let (none, receive_none) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..COUNT {
                    let mut select = Select::new();
                    let to_free = free.is_empty().then(|| select.send(&free));
                    let to_one = one.is_empty().then(|| select.send(&one));
                    select.send(&none);
                    let selected = select.select();
                    let index = Some(selected.index());
                    if index == to_free {
                        selected.send(&free, ()).unwrap();
                    } else if index == to_one {
                        selected.send(&one, ()).unwrap();
                    } else {
                        selected.send(&none, ()).unwrap();
                    }
                }
            });
            let receivers = [&receive_free, &receive_one, &receive_none];
            let mut hits = [0; 3];
            while hits.iter().sum::<usize>() < COUNT {
                let index = to_receive_any(receivers).ready();
                hits[index] += usize::from(receivers[index].try_recv().is_ok());
            }
            assert!(hits.iter().all(|&hits| hits >= COUNT / 50), "{hits:?}");
        });
    });
}

#[test]
fn select_is_fair_to_a_waiting_select() {
    const COUNT: usize = 600;
    story(|| {
        let (sender, receiver) = bounded(0);
        let (always, receive_always) = bounded(1);
        always.send(()).unwrap();
        let (mut met, mut others) = (0, 0);
        leno::scope(|scope| {
            let waiting = scope.spawn(|| while send_selected(&sender, ()).is_ok() {});
            for _ in 0..COUNT {
                leno::yield_now();
                select! {
                    recv(receiver) -> _ => met += 1,
                    recv(receive_always) -> _ => {
                        others += 1;
                        always.send(()).unwrap();
                    }
                }
            }
            waiting.cancel();
            assert!(waiting.join().is_err());
        });
        assert!(met > COUNT / 4 && others > COUNT / 4, "{met} and {others}");
    });
}

#[test]
fn a_biased_select_meets_a_waiting_select() {
    meet(&[&sends(1), &|sender, receiver| {
        select_biased! {
            send(sender, 0) -> _ => unreachable!("no thread receives"),
            recv(receiver) -> got => assert_eq!(got, Ok(1)),
            default => unreachable!("a case can proceed"),
        }
    }]);
    meet(&[&receives(1), &|sender, receiver| {
        select_biased! {
            recv(receiver) -> _ => unreachable!("no thread sends"),
            send(sender, 1) -> sent => sent.unwrap(),
            default => unreachable!("a case can proceed"),
        }
    }]);
}

#[test]
fn a_select_that_gives_up_leaves_the_others_waiting() {
    let gives_up: Side<'_> = &|sender, _| give_up(to_send(sender).select());
    meet(&[gives_up, &|_, receiver| assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty))]);
    meet(&[gives_up, &|_, receiver| {
        assert_eq!(select! { recv(receiver) -> got => got.ok(), default => None }, None);
    }]);
    // The select that has given up is followed by a send.
    meet(&[
        gives_up,
        &|_, receiver| assert_eq!(select! { recv(receiver) -> got => got }, Ok(5)),
        &|sender, _| {
            sleep(SECOND);
            sender.send(5).unwrap();
        },
    ]);
    let sends: Side<'_> = &|sender, _| sender.send(6).unwrap();
    meet(&[gives_up, &|_, receiver| assert_eq!(receiver.try_recv(), Ok(6)), sends]);
    let selects: Side<'_> = &|_, receiver| {
        assert_eq!(select! { recv(receiver) -> got => got.ok(), default => None }, Some(6));
    };
    meet(&[gives_up, selects, sends]);
}

#[test]
fn try_recv_tells_of_a_disconnection_by_its_partner() {
    story(|| {
        let (sender, receiver) = bounded::<i32>(0);
        leno::spawn(move || give_up(to_send(&sender).select()));
        leno::yield_now();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn a_message_for_a_select_that_gives_up_is_dropped_once() {
    let ledger = Ledger::default();
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| give_up(to_receive(&receiver).select()));
            leno::yield_now();
            assert!(sender.try_send(ledger.value()).is_ok());
            leno::yield_now();
            assert_eq!(ledger.alive(), 0);
            // The next pair is not disturbed.
            scope.spawn(|| assert_eq!(receive_selected(&receiver).unwrap().index(), 1));
            leno::yield_now();
            send_selected(&sender, ledger.value()).unwrap();
        });
    });
    ledger.check();
}

/// Returns the body of a green thread that selects, and completes or gives up when it is unparked.
fn when_unparked<'a>(
    mut select: Select<'a>,
    complete: impl FnOnce(SelectedOperation<'a>) + 'a,
) -> impl FnOnce() + 'a {
    move || {
        let selected = select.select();
        thread::park();
        complete(selected);
    }
}

/// Lets a pair of selects and a select with the message 1 of `try_send` end in this order:
/// 0 is the pair's send, of 2; 1 its receive; 2 the receive of the third. Those in `give_up` give
/// up. Returns what the two receives have got, 0 if nothing.
fn three_promises(order: [usize; 3], gives_up: [bool; 3]) -> [i32; 2] {
    story(|| {
        let (sender, receiver) = bounded(0);
        let got = [0, 0].map(Cell::new);
        leno::scope(|scope| {
            let receive = |place: usize| {
                let (receiver, got) = (&receiver, &got);
                when_unparked(to_receive(receiver), move |selected| match gives_up[1 + place] {
                    true => give_up(selected),
                    false => got[place].set(selected.recv(receiver).unwrap_or(0)),
                })
            };
            let send = when_unparked(to_send(&sender), |selected| match gives_up[0] {
                true => give_up(selected),
                false => selected.send(&sender, 2).unwrap(),
            });
            let receiver_of_pair = scope.spawn(receive(0));
            leno::yield_now();
            let sender_of_pair = scope.spawn(send);
            leno::yield_now();
            let third = scope.spawn(receive(1));
            leno::yield_now();
            assert_eq!(sender.try_send(1), Ok(()));
            let threads = [&sender_of_pair, &receiver_of_pair, &third];
            for index in order {
                threads[index].thread().unpark();
                leno::yield_now();
            }
            // What is left waits without a partner.
            sleep(SECOND);
            while to_send(&sender).try_ready().is_ok() {
                sender.try_send(9).unwrap();
                leno::yield_now();
            }
            while receiver.try_recv().is_ok() {}
        });
        got.map(Cell::into_inner)
    })
}

#[test]
fn promises_and_messages_fit_each_other_in_every_order() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut got = three_promises(order, [false; 3]);
        got.sort_unstable();
        assert_eq!(got, [1, 2], "all complete, {order:?}");
        // Without the send, one message is left for two receives: the other meets a later send.
        let mut got = three_promises(order, [true, false, false]);
        got.sort_unstable();
        assert_eq!(got, [1, 9], "the send gives up, {order:?}");
        for place in [0, 1] {
            let mut gives_up = [false; 3];
            gives_up[1 + place] = true;
            let got = three_promises(order, gives_up);
            assert_eq!(got[place], 0);
            assert!([1, 2].contains(&got[1 - place]), "{order:?}, {gives_up:?}: {got:?}");
        }
        // The message goes to the receive that is left, or to the one that gives up.
        for gives_up in [[true, true, false], [true, false, true]] {
            let got = three_promises(order, gives_up);
            let left = got[usize::from(gives_up[1])];
            assert!([1, 9].contains(&left), "{order:?}, {gives_up:?}: {got:?}");
        }
    }
}

#[test]
fn a_broken_promise_to_send_leaves_a_message_to_the_pair() {
    // The pair's send gives up first; then the receive for which the message was meant.
    assert_eq!(three_promises([0, 2, 1], [true, false, true]), [1, 0]);
}

#[test]
fn a_cancelled_try_recv_frees_its_partner() {
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::scope(|scope| {
            let send = when_unparked(to_send(&sender), |selected| {
                selected.send(&sender, 1).unwrap();
            });
            let partner = scope.spawn(send);
            let cancelled = scope.spawn(|| receiver.try_recv());
            leno::yield_now();
            leno::yield_now();
            cancelled.cancel();
            assert!(cancelled.join().is_err());
            partner.thread().unpark();
            assert_eq!(receiver.recv(), Ok(1));
            let late = scope.spawn(when_unparked(to_send(&sender), |selected| {
                selected.send(&sender, 2).unwrap();
            }));
            leno::yield_now();
            let in_time = timeout(SECOND, || select! { recv(receiver) -> got => got });
            assert_eq!(in_time, Err(Elapsed));
            late.thread().unpark();
            assert_eq!(receiver.recv(), Ok(2));
        });
    });
}

#[test]
fn a_host_meets_no_select_that_it_would_wait_for() {
    let runtime = Runtime::new();
    let (sender, receiver) = bounded::<i32>(0);
    let (other, receive_other) = bounded(0);
    let got = Rc::new(Cell::new(0));
    let waiting = {
        let (sender, got) = (sender.clone(), got.clone());
        thread::Builder::new().spawn_on(&runtime, move || {
            let mut select = to_send(&sender);
            let index = select.recv(&receive_other);
            let selected = select.select();
            assert_eq!(selected.index(), index);
            got.set(selected.recv(&receive_other).unwrap());
        })
    };
    runtime.run_until_stalled();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(select! { recv(receiver) -> got => got.ok(), default => None }, None);
    assert_eq!(other.try_send(7), Ok(()));
    runtime.run_until_stalled();
    assert_eq!(got.get(), 7);
    assert!(waiting.unwrap().is_finished());
}
