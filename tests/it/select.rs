//! `select!`, which waits for any of several channel operations.

mod dynamic;
mod ends;
mod meeting;
#[cfg(feature = "weave")]
mod meeting_order;
mod same_end;
mod syntax;
mod without_waiting;

use std::cell::Cell;
use std::rc::Rc;

use leno::channel::{RecvError, SendError, after, at, bounded, never, tick, unbounded};
use leno::thread;
use leno::time::{Duration, Elapsed, Instant, sleep, timeout};
use leno::{select, select_biased};

use crate::support::{Ledger, panic_text};

const SECOND: Duration = Duration::from_secs(1);

fn story<T>(f: impl FnOnce() -> T) -> T {
    leno::Builder::new().virtual_time().run(f)
}

/// Runs `f` in a green thread after a second.
fn later<T: 'static>(f: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    leno::spawn(move || {
        sleep(SECOND);
        f()
    })
}

/// Selects over the receivers with these indices.
macro_rules! first_of {
    ($receivers:ident: $($index:literal)*) => {
        select! {
            $(recv($receivers[$index]) -> message => ($index, message),)*
        }
    };
}

#[test]
fn a_select_waits_for_up_to_twenty_channels() {
    macro_rules! check {
        ($($index:literal)*) => {
            story(|| {
                let count = [$($index),*].len();
                for ready in 0..count {
                    let (senders, receivers): (Vec<_>, Vec<_>) =
                        (0..count).map(|_| bounded(0)).unzip();
                    let chosen = &senders[ready];
                    leno::scope(|scope| {
                        scope.spawn(move || {
                            sleep(SECOND);
                            chosen.send("message").unwrap();
                        });
                        assert_eq!(first_of!(receivers: $($index)*), (ready, Ok("message")));
                    });
                }
            });
        };
    }
    check!(0);
    check!(0 1);
    check!(0 1 2);
    check!(0 1 2 3 4 5 6);
    check!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18);
    check!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
}

#[test]
fn ready_arms_are_equally_likely() {
    const ROUNDS: u32 = 2_000;
    // The indices of the ready receivers among ten.
    let cases: [&[usize]; 6] = [
        &[0, 1],
        &[4, 9],
        &[0, 1, 2],
        &[7, 8, 9],
        &[1, 3, 5, 7, 9],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ];
    for ready in cases {
        story(|| {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..10).map(|_| unbounded()).unzip();
            for &index in ready {
                (0..ROUNDS).for_each(|_| senders[index].send(()).unwrap());
            }
            let mut counts = [0; 10];
            for _ in 0..ROUNDS {
                let (index, message): (usize, Result<(), RecvError>) =
                    first_of!(receivers: 0 1 2 3 4 5 6 7 8 9);
                assert_eq!(message, Ok(()));
                counts[index] += 1;
            }
            let fair = ROUNDS / ready.len() as u32;
            for (index, &count) in counts.iter().enumerate() {
                let right = if ready.contains(&index) {
                    (fair / 2..=fair * 2).contains(&count)
                } else {
                    count == 0
                };
                assert!(right, "{ready:?}: {counts:?}");
            }
        });
    }
}

#[test]
fn ready_sends_and_receives_are_equally_likely() {
    story(|| {
        let (sender, receiver) = unbounded();
        (0..1_000).for_each(|_| sender.send(0).unwrap());
        let (out, kept) = unbounded();
        let mut sent = 0;
        for _ in 0..1_000 {
            select! {
                recv(receiver) -> message => assert_eq!(message, Ok(0)),
                send(out, 1) -> result => { result.unwrap(); sent += 1; }
            }
        }
        assert_eq!(sent, kept.len());
        assert!((250..=750).contains(&sent), "{sent}");
    });
}

#[test]
fn a_biased_select_takes_the_first_ready_arm() {
    story(|| {
        let (sender, receiver) = unbounded();
        let (_nothing, empty) = unbounded::<u32>();
        for number in 0..100 {
            sender.send(number).unwrap();
            let got = select_biased! {
                recv(empty) -> _ => unreachable!(),
                recv(receiver) -> message => message,
                send(sender, 0) -> _ => unreachable!(),
                default => unreachable!(),
            };
            assert_eq!(got, Ok(number));
        }
        assert_eq!(select_biased! { recv(empty) -> _ => 1, default(SECOND) => 2 }, 2);
    });
}

#[test]
fn the_default_runs_if_no_arm_is_ready() {
    story(|| {
        let (sender, receiver) = bounded(1);
        assert_eq!(select! { recv(receiver) -> message => message.ok(), default => None }, None);
        sender.send(1).unwrap();
        assert_eq!(select! { recv(receiver) -> message => message.ok(), default => None }, Some(1));
        // A select that has only a default.
        assert_eq!(select! { default => 3 }, 3);
        let start = Instant::now();
        select! { default(SECOND) => () }
        assert_eq!(start.elapsed(), SECOND);
        let late = select! { recv(receiver) -> _ => false, default(SECOND) => true };
        assert!(late && start.elapsed() == 2 * SECOND);
        let late = select! { recv(receiver) -> _ => false, default(start + 4 * SECOND) => true };
        assert!(late && start.elapsed() == 4 * SECOND);
        // With a deadline in the past or a timeout of zero, ready threads run first.
        let before = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let count = before.clone();
            leno::spawn(move || count.set(count.get() + 1));
        }
        assert!(select! { recv(receiver) -> _ => false, default(start) => true });
        assert_eq!(before.get(), 2);
        assert!(select! { recv(receiver) -> _ => false, default(Duration::ZERO) => true });
        assert_eq!(start.elapsed(), 4 * SECOND);
        later(move || sender.send(2));
        assert_eq!(
            select! { recv(receiver) -> got => got, default(Duration::MAX) => Ok(0) },
            Ok(2)
        );
    });
}

#[test]
fn a_disconnected_channel_is_ready_with_an_error() {
    story(|| {
        let (_kept, silent) = bounded::<u32>(0);
        let (sender, receiver) = bounded::<u32>(0);
        drop(sender);
        assert!(select! {
            recv(silent) -> _ => unreachable!(),
            recv(receiver) -> message => message == Err(RecvError),
        });
        let (sender, receiver) = bounded(0);
        drop(receiver);
        let error = select! {
            recv(silent) -> _ => unreachable!(),
            send(sender, 7) -> result => result.unwrap_err(),
        };
        assert_eq!(error, SendError(7));
        // The channel disconnects during the wait.
        let ((sender, receiver), (sends, ends)) = (bounded::<u32>(0), bounded(0));
        leno::spawn(move || drop((thread::yield_now(), sender)));
        assert!(select! {
            recv(silent) -> _ => unreachable!(),
            recv(receiver) -> message => message.is_err(),
        });
        leno::spawn(move || drop((thread::yield_now(), ends)));
        assert_eq!(
            select! {
                recv(silent) -> _ => unreachable!(),
                send(sends, "back") -> result => result,
            },
            Err(SendError("back"))
        );
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    story(|| {
        let (sender, receiver) = bounded(0);
        for _ in 0..20 {
            let alone = select! {
                send(sender, 1) -> _ => false,
                recv(receiver) -> _ => false,
                default => true,
            };
            assert!(alone);
            let alone = select! {
                send(sender, 1) -> _ => false,
                recv(receiver) -> _ => false,
                default(SECOND) => true,
            };
            assert!(alone);
        }
    });
}

#[test]
fn two_selects_on_both_ends_meet() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let both = move || {
            select! {
                send(sender, ()) -> result => { result.unwrap(); "sent" }
                recv(receiver) -> message => { message.unwrap(); "received" }
            }
        };
        let handles = [leno::spawn(both.clone()), leno::spawn(both)];
        let mut got = handles.map(|handle| handle.join().unwrap());
        got.sort_unstable();
        assert_eq!(got, ["received", "sent"]);
    });
}

#[test]
fn the_same_channel_may_be_in_several_arms() {
    story(|| {
        let (sender, receiver) = unbounded();
        let mut counts = [0; 2];
        for _ in 0..400 {
            sender.send(()).unwrap();
            select! {
                recv(receiver) -> _ => counts[0] += 1,
                recv(receiver) -> _ => counts[1] += 1,
            }
        }
        assert!(counts.iter().all(|count| (100..=300).contains(count)), "{counts:?}");
        // A message that arrives during the wait is received once.
        let other = sender.clone();
        leno::spawn(move || other.send(()));
        select! {
            recv(receiver) -> message => message.unwrap(),
            recv(receiver) -> message => message.unwrap(),
        }
        assert!(receiver.is_empty());
        let (sender, receiver) = bounded(0);
        let receives = leno::spawn(move || (receiver.recv(), receiver.recv()));
        select! {
            send(sender, 1) -> result => result.unwrap(),
            send(sender, 2) -> result => result.unwrap(),
        }
        drop(sender);
        let (first, second) = receives.join().unwrap();
        assert!(first.is_ok_and(|number| number == 1 || number == 2) && second.is_err());
    });
}

#[test]
fn an_unsent_message_is_dropped_once() {
    let ledger = Ledger::default();
    story(|| {
        let (sender, receiver) = bounded(0);
        let (other, others) = bounded(0);
        for _ in 0..3 {
            select! {
                send(sender, ledger.value()) -> _ => unreachable!(),
                send(other, ledger.value()) -> _ => unreachable!(),
                default(SECOND) => (),
            }
            assert_eq!(ledger.alive(), 0);
        }
        let receives = leno::spawn(move || receiver.recv().map(drop));
        select! {
            send(other, ledger.value()) -> _ => unreachable!(),
            send(sender, ledger.value()) -> result => assert!(result.is_ok()),
        }
        assert_eq!(receives.join().unwrap(), Ok(()));
        drop(others);
        select! {
            send(other, ledger.value()) -> result => drop(result.map_err(SendError::into_inner)),
        }
    });
    assert_eq!(ledger.made(), 9);
    ledger.check();
}

#[test]
fn cancelling_a_select_loses_no_message() {
    story(|| {
        let ledger = Ledger::default();
        let ((sender, receiver), (other, others)) = (bounded(0), bounded(0));
        let (end, value) = (receiver.clone(), ledger.value());
        let waits = leno::spawn(move || {
            select! {
                recv(end) -> _ => unreachable!("cancelled"),
                send(other, value) -> _ => unreachable!("cancelled"),
            }
        });
        leno::yield_now();
        waits.cancel();
        assert!(sender.try_send(1).is_err() && others.try_recv().is_err());
        let result: thread::Result<()> = waits.join();
        assert!(result.unwrap_err().is::<thread::Cancelled>());
        ledger.check();
        // A cancelled select still completes if it has been given a message before.
        let waits = leno::spawn(move || select! { recv(receiver) -> message => message });
        leno::yield_now();
        sender.try_send(2).unwrap();
        waits.cancel();
        assert_eq!(waits.join().unwrap(), Ok(2));
    });
}

#[test]
fn timers_can_be_arms() {
    story(|| {
        let start = Instant::now();
        let (_sender, receiver) = bounded::<()>(0);
        let (late, early) = (after(3 * SECOND), at(start + SECOND));
        for expected in ["early", "late"] {
            let got = select! {
                recv(receiver) -> _ => "message",
                recv(late) -> moment => { assert_eq!(moment, Ok(start + 3 * SECOND)); "late" }
                recv(early) -> moment => { assert_eq!(moment, Ok(start + SECOND)); "early" }
                recv(never::<()>()) -> _ => "never",
            };
            assert_eq!(got, expected);
        }
        assert_eq!(start.elapsed(), 3 * SECOND);
        let (beat, mut beats) = (tick(SECOND), 0);
        let over = after(Duration::from_millis(4_500));
        loop {
            select! {
                recv(beat) -> _ => beats += 1,
                recv(over) -> _ => break,
            }
        }
        assert_eq!(beats, 4);
        let first = select! { recv(after(SECOND)) -> _ => 1, default(2 * SECOND) => 2 };
        let second = select! { recv(after(2 * SECOND)) -> _ => 1, default(SECOND) => 2 };
        assert_eq!((first, second), (1, 2));
        assert_eq!(select! { recv(after(Duration::ZERO)) -> _ => 1, default => 2 }, 1);
    });
}

#[test]
fn simultaneous_timers_are_equally_likely() {
    story(|| {
        let mut counts = [0; 3];
        for _ in 0..600 {
            let (one, other, third) = (after(SECOND), after(SECOND), after(SECOND));
            select! {
                recv(one) -> _ => counts[0] += 1,
                recv(other) -> _ => counts[1] += 1,
                recv(third) -> _ => counts[2] += 1,
            }
        }
        assert!(counts.iter().all(|count| (100..=400).contains(count)), "{counts:?}");
    });
}

#[test]
fn a_timer_wakes_one_of_two_selects() {
    story(|| {
        let timer = after(SECOND);
        let waits = [timer.clone(), timer].map(|timer| {
            leno::spawn(move || {
                select! {
                    recv(timer) -> moment => { moment.expect("a timer is not disconnected"); true }
                    default(5 * SECOND) => false,
                }
            })
        });
        let got = waits.map(|wait| wait.join().unwrap());
        assert_eq!(got.iter().filter(|&&got| got).count(), 1, "{got:?}");
        let beat = tick(SECOND);
        let start = Instant::now();
        let waits = [beat.clone(), beat].map(|beat| {
            leno::spawn(move || select! { recv(beat) -> moment => moment.unwrap() - start })
        });
        let mut got = waits.map(|wait| wait.join().unwrap());
        got.sort_unstable();
        assert_eq!(got, [SECOND, 2 * SECOND]);
    });
}

#[test]
fn a_deadline_scope_ends_a_select() {
    story(|| {
        let (_sender, receiver) = bounded::<()>(0);
        let waits = || select! { recv(receiver) -> _ => 1, default(5 * SECOND) => 2 };
        assert_eq!(timeout(SECOND, waits), Err(Elapsed));
        assert_eq!(timeout(6 * SECOND, waits), Ok(2));
    });
}

#[test]
fn an_endless_select_is_a_deadlock() {
    let text = panic_text(|| story(|| select! { recv(never::<()>()) -> _ => () }));
    assert!(text.contains("deadlock") && text.contains("select.rs"), "{text}");
}

#[test]
fn selects_move_a_hundred_thousand_messages() {
    story(|| {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            [0, 0, 1, 8].map(bounded::<u64>).into_iter().unzip();
        for (from, sender) in (0..).zip(senders) {
            leno::spawn(move || {
                (0..25_000u64).for_each(|number| sender.send(number * 4 + from).unwrap());
            });
        }
        let (mut next, mut open) = ([0; 4], 4);
        let mut ended = [false; 4];
        while open > 0 {
            let (from, message) = first_of!(receivers: 0 1 2 3);
            match message {
                Ok(number) => {
                    assert_eq!(number, next[from] * 4 + from as u64);
                    next[from] += 1;
                }
                Err(RecvError) if ended[from] => leno::yield_now(),
                Err(RecvError) => {
                    ended[from] = true;
                    open -= 1;
                }
            }
        }
        assert_eq!(next, [25_000; 4]);
    });
}
