//! `Select`, for operations that are known only at run time.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

use leno::channel::{
    RecvError, Select, SelectTimeoutError, SendError, TryRecvError, TrySelectError, after, bounded,
    never, tick, unbounded,
};
use leno::time::Instant;

use super::meeting::{receive_selected, to_receive, to_receive_any, to_send};
use super::{SECOND, later, story};
use crate::support::{Ledger, panic_text};

#[test]
fn a_ready_operation_needs_no_runtime() {
    let (one, receive_one) = unbounded();
    let (other, receive_other) = bounded(1);
    one.send(1).unwrap();
    let mut both = Select::new();
    let (receiving, sending) = (both.recv(&receive_one), both.send(&other));
    assert_eq!((receiving, sending), (0, 1));
    for _ in 0..2 {
        let selected = both.select();
        match selected.index() {
            0 => assert_eq!(selected.recv(&receive_one), Ok(1)),
            1 => assert_eq!(selected.send(&other, 'a'), Ok(())),
            _ => unreachable!(),
        }
    }
    assert_eq!(receive_other.try_recv(), Ok('a'));
    assert_eq!(receive_one.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_removed_operation_is_not_selected() {
    let (sender, receiver) = unbounded();
    sender.send(1).unwrap();
    let (_other, empty) = unbounded::<()>();
    let mut select = Select::new();
    let (first, second) = (select.recv(&receiver), select.recv(&empty));
    select.remove(first);
    assert_eq!(select.try_ready(), Err(leno::channel::TryReadyError));
    // An index is not used again.
    assert_eq!(select.recv(&receiver), second + 1);
    assert_eq!(select.ready(), second + 1);
    let text = panic_text(|| select.remove(first));
    assert!(text.contains("no operation number 0"), "{text}");
}

#[test]
fn a_disconnected_operation_is_ready() {
    let (sender, receiver) = bounded::<u8>(1);
    let (other_sender, other_receiver) = bounded::<u8>(1);
    drop((sender, other_receiver));
    let mut select = Select::new_biased();
    select.recv(&receiver);
    assert_eq!(select.select().recv(&receiver), Err(RecvError));
    let mut select = to_send(&other_sender);
    assert_eq!(select.select().send(&other_sender, 7), Err(SendError(7)));
}

#[test]
fn operations_are_chosen_fairly_or_by_bias() {
    story(|| {
        let channels: Vec<_> = (0..3).map(|_| unbounded()).collect();
        let (mut select, mut biased) = (Select::new(), Select::new_biased());
        for (sender, receiver) in &channels {
            (0..2_000).for_each(|n| sender.send(n).unwrap());
            select.recv(receiver);
            biased.recv(receiver);
        }
        let mut counts = [0; 3];
        for _ in 0..1_500 {
            let selected = select.select();
            let index = selected.index();
            counts[index] += 1;
            selected.recv(&channels[index].1).unwrap();
        }
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
        for _ in 0..100 {
            let selected = biased.select();
            assert_eq!(selected.index(), 0);
            selected.recv(&channels[0].1).unwrap();
        }
    });
}

#[test]
fn a_select_waits_for_messages_room_and_disconnection() {
    for capacity in [Some(0), Some(1), None] {
        let make = || capacity.map_or_else(unbounded::<u8>, bounded::<u8>);
        // A message arrives.
        story(|| {
            let (sender, receiver) = make();
            later(move || sender.send(3).unwrap());
            let mut select = to_receive(&receiver);
            assert_eq!(select.select().recv(&receiver), Ok(3));
            assert_eq!(select.select().recv(&receiver), Err(RecvError));
        });
        // The senders are dropped.
        story(|| {
            let (sender, receiver) = make();
            later(move || drop(sender));
            let mut select = to_receive(&receiver);
            assert_eq!(select.select().recv(&receiver), Err(RecvError));
        });
    }
    for capacity in [0, 1] {
        // Room becomes available.
        story(|| {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(n).unwrap());
            let others =
                later(move || (0..=capacity).map(|_| receiver.recv().unwrap()).collect::<Vec<_>>());
            let mut select = to_send(&sender);
            assert_eq!(select.select().send(&sender, 9), Ok(()));
            assert_eq!(others.join().unwrap(), (0..capacity).chain([9]).collect::<Vec<_>>());
        });
        // The receiver is dropped.
        story(|| {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(n).unwrap());
            later(move || drop(receiver));
            let mut select = to_send(&sender);
            assert_eq!(select.select().send(&sender, 9), Err(SendError(9)));
        });
    }
}

#[test]
fn a_select_may_time_out() {
    story(|| {
        let (_sender, receiver) = bounded::<u8>(1);
        let mut select = to_receive(&receiver);
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
        let start = Instant::now();
        assert_eq!(select.select_timeout(2 * SECOND).unwrap_err(), SelectTimeoutError);
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(select.select_deadline(start + 3 * SECOND).unwrap_err(), SelectTimeoutError);
        assert_eq!(start.elapsed(), 3 * SECOND);
        // The deadline has passed before the call.
        assert_eq!(select.select_deadline(start).unwrap_err(), SelectTimeoutError);
        assert!(select.ready_timeout(SECOND).is_err());
        assert!(select.ready_deadline(start + 5 * SECOND).is_err());
        assert_eq!(start.elapsed(), 5 * SECOND);
    });
}

#[test]
fn an_empty_select_waits_only_for_its_deadline() {
    story(|| {
        let mut select = Select::new();
        assert!(select.try_select().is_err());
        let start = Instant::now();
        assert!(select.select_timeout(SECOND).is_err());
        assert_eq!(start.elapsed(), SECOND);
        let texts = [panic_text(|| drop(select.select())), panic_text(|| select.ready())];
        assert!(texts.iter().all(|text| text.contains("no operations have been added")));
    });
}

#[test]
fn timers_can_be_operations() {
    story(|| {
        let (late, ticks, nothing) = (after(3 * SECOND), tick(2 * SECOND), never::<Instant>());
        let receivers = [&late, &ticks, &nothing];
        let mut select = to_receive_any(receivers);
        let start = Instant::now();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let selected = select.select();
            let index = selected.index();
            let moment = selected.recv(receivers[index]).unwrap();
            seen.push((index, (moment - start).as_secs()));
        }
        assert_eq!(seen, [(1, 2), (0, 3), (1, 4)]);
        // The select times out before the next tick.
        assert!(select.select_timeout(SECOND).is_err());
    });
}

#[test]
fn a_select_waits_again_after_a_lost_race() {
    story(|| {
        let (first, receive_first) = bounded(1);
        let (second, receive_second) = bounded(1);
        leno::scope(|scope| {
            scope.spawn(|| {
                let mut select = to_receive_any([&receive_first, &receive_second]);
                let selected = select.select();
                assert_eq!(selected.index(), 1);
                assert_eq!(selected.recv(&receive_second), Ok(2));
            });
            scope.spawn(|| {
                first.send(1).unwrap();
                assert_eq!(receive_first.try_recv(), Ok(1));
                leno::sleep(SECOND);
                second.send(2).unwrap();
            });
        });
    });
}

#[test]
fn a_waiting_receiver_precedes_a_select() {
    story(|| {
        let (sender, receiver) = unbounded();
        let order = RefCell::new(Vec::new());
        leno::scope(|scope| {
            scope.spawn(|| {
                let got = receive_selected(&receiver).unwrap();
                order.borrow_mut().push(("select", got));
            });
            scope.spawn(|| {
                let got = receiver.recv().unwrap();
                order.borrow_mut().push(("recv", got));
            });
            scope.spawn(|| (1..=2).for_each(|n| sender.send(n).unwrap()));
        });
        order.borrow_mut().sort_unstable();
        assert_eq!(*order.borrow(), [("recv", 1), ("select", 2)]);
    });
}

#[test]
fn a_late_completion_waits() {
    story(|| {
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        let mut select = to_receive(&receiver);
        let selected = select.select();
        leno::scope(|scope| {
            scope.spawn(|| assert_eq!(receiver.recv(), Ok(1)));
        });
        later(move || sender.send(2).unwrap());
        assert_eq!(selected.recv(&receiver), Ok(2));
    });
}

#[test]
fn a_clone_of_an_end_completes_the_operation() {
    for (sender, receiver) in [unbounded(), bounded(1)] {
        let mut select = Select::new();
        let (sent, received) = (select.send(&sender), select.recv(&receiver));
        select.remove(received);
        let selected = select.select();
        assert_eq!(selected.index(), sent);
        selected.send(&sender.clone(), 'a').unwrap();
        assert_eq!(to_receive(&receiver).select().recv(&receiver.clone()), Ok('a'));
    }
    story(|| {
        let (sender, receiver) = bounded(0);
        leno::spawn(move || sender.send('b'));
        assert_eq!(to_receive(&receiver).select().recv(&receiver.clone()), Ok('b'));
    });
}

#[test]
fn an_uncompleted_operation_is_a_panic() {
    let (sender, receiver) = unbounded();
    let (other, _receiver) = unbounded();
    sender.send(1).unwrap();
    let mut select = to_receive(&receiver);
    let text = panic_text(|| drop(select.select()));
    assert!(text.contains("number 0 was not completed"), "{text}");
    let text = panic_text(|| select.select().recv(&_receiver));
    assert!(text.contains("number 0 was selected"), "{text}");
    // The other end of the selected channel is another one as well.
    for sender in [&sender, &other] {
        let text = panic_text(|| select.select().send(sender, 1));
        assert!(text.contains("number 0 was selected"), "{text}");
    }
    // An uncompleted operation does not panic during another panic.
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        let _selected = select.select();
        panic!("first");
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "first");
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn waiting_needs_a_runtime() {
    let (_sender, receiver) = bounded::<u8>(0);
    let mut select = to_receive(&receiver);
    let text = panic_text(|| drop(select.select()));
    assert!(text.starts_with("Select::select needs a runtime"), "{text}");
    let text = panic_text(|| select.ready_timeout(SECOND));
    assert!(text.starts_with("Select::ready_timeout needs a runtime"), "{text}");
}

#[test]
fn a_cancelled_select_loses_nothing() {
    let ledger = Ledger::default();
    story(|| {
        for cancelled_before in [true, false] {
            let (sender, receiver) = bounded(0);
            let waiting = leno::spawn({
                let receiver = receiver.clone();
                move || receive_selected(&receiver).map(drop)
            });
            leno::yield_now();
            let sending = leno::spawn({
                let value = ledger.value();
                move || sender.send(value).map_err(drop)
            });
            if cancelled_before {
                waiting.cancel();
                leno::yield_now();
            } else {
                // The waiting thread has been woken and has not run yet.
                leno::yield_now();
                waiting.cancel();
            }
            let sent = receiver.recv();
            assert_eq!(sent.is_ok(), waiting.join().is_err(), "one thread has the message");
            drop(sent);
            sending.join().unwrap().unwrap();
        }
    });
    ledger.check();
}

#[test]
fn a_deadlock_report_lists_all_operations() {
    let text = panic_text(|| {
        story(|| {
            let (orders, receive_orders) = bounded::<u8>(0);
            orders.set_name("orders");
            let (_words, receive_words) = bounded::<u8>(1);
            receive_words.set_name("words");
            let mut select = Select::new();
            select.send(&orders);
            select.recv(&receive_words);
            select.recv(&receive_orders);
            let _ = select.select();
        });
    });
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    assert!(place("- a receiver of channel 'orders'") < place("- a message from channel 'words'"));
    assert!(place("'words'") < place("- a message from channel 'orders'"));
    place("dynamic.rs");
}

#[test]
fn a_select_may_have_many_operations() {
    story(|| {
        let channels: Vec<_> = (0..20_000).map(|_| bounded(0)).collect();
        leno::scope(|scope| {
            scope.spawn(|| {
                let mut select = to_receive_any(channels.iter().map(|(_, receiver)| receiver));
                let selected = select.select();
                let index = selected.index();
                assert_eq!(selected.recv(&channels[index].1), Ok(index));
            });
            scope.spawn(|| channels[17_000].0.send(17_000).unwrap());
        });
    });
}

#[test]
fn a_receiver_may_be_added_twice() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let sending = leno::spawn(move || (0..10).for_each(|n| sender.send(n).unwrap()));
        let mut select = to_receive_any([&receiver, &receiver]);
        for n in 0..10 {
            assert_eq!(select.select().recv(&receiver), Ok(n));
        }
        sending.join().unwrap();
    });
}

#[test]
fn every_message_of_many_threads_arrives_once() {
    for capacity in [Some(0), Some(3), None] {
        let ledger = Ledger::default();
        story(|| {
            let channels: Vec<_> =
                (0..5).map(|_| capacity.map_or_else(unbounded, bounded)).collect();
            let received = Cell::new(0);
            leno::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let mut select = Select::new();
                        channels.iter().for_each(|(sender, _)| {
                            select.send(sender);
                        });
                        for _ in 0..100 {
                            let selected = select.select();
                            let index = selected.index();
                            selected.send(&channels[index].0, ledger.value()).ok().unwrap();
                        }
                    });
                    scope.spawn(|| {
                        let mut select = to_receive_any(channels.iter().map(|ends| &ends.1));
                        for _ in 0..100 {
                            let selected = select.select();
                            let index = selected.index();
                            drop(selected.recv(&channels[index].1).unwrap());
                            received.set(received.get() + 1);
                        }
                    });
                }
            });
            assert_eq!((received.get(), ledger.made()), (800, 800));
        });
        ledger.check();
    }
}
