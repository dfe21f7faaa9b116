//! Cancellation: at every moment of a green thread's life, and what it meets on
//! the way out.

mod bad_input;
mod panics;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::{bounded, unbounded};
use leno::coroutine::Coroutine;
use leno::thread::{self, Cancelled, JoinHandle};
use leno::time::{Duration, Instant, sleep};

use crate::support::{Ledger, caught, hook_runs, text_of};

const SECOND: Duration = Duration::from_secs(1);

pub fn story<T>(f: impl FnOnce() -> T) -> T {
    leno::Builder::new().virtual_time().run(f)
}

#[track_caller]
pub fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("it has returned"),
        Err(payload) => assert!(payload.is::<Cancelled>()),
    }
}

#[test]
fn destructors_run_once_and_the_hook_does_not() {
    let ledger = Ledger::default();
    let runs = hook_runs(|| {
        leno::run(|| {
            let values = ledger.clone();
            let handle = leno::spawn(move || {
                let _held = [values.value(), values.value()];
                thread::park();
            });
            leno::yield_now();
            assert_eq!(ledger.alive(), 2);
            handle.cancel();
            assert_eq!(ledger.alive(), 2, "it is unwound when its turn comes");
            assert_cancelled(handle);
        });
    });
    assert_eq!(runs, 0);
    ledger.check();
}

#[test]
fn twice_is_as_once_and_of_the_finished_nothing() {
    leno::run(|| {
        let handle = leno::spawn(thread::park);
        leno::yield_now();
        (0..3).for_each(|_| handle.cancel());
        leno::yield_now();
        handle.cancel();
        assert!(handle.is_finished());
        assert_cancelled(handle);
        let ended = leno::spawn(|| "value");
        leno::yield_now();
        ended.cancel();
        let thread = ended.thread().clone();
        assert_eq!(ended.join().unwrap(), "value");
        // Nor by a handle that has outlived it.
        thread.cancel();
        thread.unpark();
    });
}

#[test]
fn one_that_has_not_begun_drops_its_closure() {
    let ledger = Ledger::default();
    leno::run(|| {
        let value = ledger.value();
        let handle = leno::spawn(move || {
            drop(value);
            unreachable!("it never begins");
        });
        handle.cancel();
        assert_eq!(ledger.alive(), 1, "when its turn comes");
        let result: thread::Result<()> = handle.join();
        assert!(result.unwrap_err().is::<Cancelled>());
    });
    ledger.check();
}

#[test]
fn a_closure_that_never_waits_again_returns_as_usual() {
    leno::run(|| {
        let handle = leno::spawn(|| {
            leno::yield_now();
            (0..1_000_000u64).sum::<u64>()
        });
        leno::yield_now();
        let waits = leno::spawn(|| {
            thread::park();
            1
        });
        leno::yield_now();
        // Woken before it was cancelled: that wait has ended.
        waits.thread().unpark();
        waits.cancel();
        assert_eq!(waits.join().unwrap(), 1);
        assert_eq!(handle.join().unwrap(), 499_999_500_000);
        let spins = leno::spawn(|| {
            thread::current().cancel();
            (0..1_000_000u64).sum::<u64>()
        });
        assert_eq!(spins.join().unwrap(), 499_999_500_000);
    });
}

#[test]
fn a_green_thread_may_cancel_itself() {
    leno::run(|| {
        let ledger = Ledger::default();
        let value = ledger.value();
        let handle = leno::spawn(move || {
            let _value = value;
            thread::current().cancel();
            // At once where it could wait, even if it would not have to.
            thread::current().unpark();
            thread::park();
            unreachable!("it was cancelled");
        });
        let result: thread::Result<()> = handle.join();
        assert!(result.unwrap_err().is::<Cancelled>());
        ledger.check();
    });
    // The main one as well: `run` goes on with the payload.
    let payload = caught(|| {
        leno::run(|| {
            thread::current().cancel();
            leno::yield_now();
        })
    });
    assert!(payload.unwrap_err().is::<Cancelled>());
}

#[test]
fn it_is_unwound_at_each_kind_of_wait_even_if_it_would_not_have_to_wait() {
    let (sender, receiver) = unbounded::<u32>();
    sender.send(0).unwrap();
    let (ends, waits) = bounded::<u32>(0);
    type Wait = Box<dyn Fn()>;
    let kinds: [(&str, Wait); 12] = [
        ("yield_now", Box::new(leno::yield_now)),
        ("park", Box::new(thread::park)),
        ("park_timeout", Box::new(|| thread::park_timeout(SECOND))),
        ("sleep", Box::new(|| sleep(SECOND))),
        ("sleep zero", Box::new(|| sleep(Duration::ZERO))),
        (
            "recv",
            Box::new({
                let waits = waits.clone();
                move || {
                    let _ = waits.recv();
                }
            }),
        ),
        (
            "recv that could",
            Box::new(move || {
                let _ = receiver.recv();
            }),
        ),
        (
            "send",
            Box::new({
                let ends = ends.clone();
                move || {
                    let _ = ends.send(1);
                }
            }),
        ),
        (
            "send that could",
            Box::new(move || {
                let _ = sender.send(1);
            }),
        ),
        ("select!", Box::new(move || leno::select! { recv(waits) -> _ => (), default => () })),
        (
            "join",
            Box::new(|| {
                let _ = leno::spawn(|| ()).join();
            }),
        ),
        ("scope", Box::new(|| leno::scope(|_| ()))),
    ];
    for (name, wait) in kinds {
        let wait = Rc::new(wait);
        leno::run(|| {
            let after = Rc::new(Cell::new(false));
            let (inner, wait) = (after.clone(), wait.clone());
            let handle = leno::spawn(move || {
                thread::current().cancel();
                wait();
                inner.set(true);
            });
            assert_cancelled(handle);
            assert!(!after.get(), "{name}");
        });
    }
    drop(ends);
}

#[test]
fn try_operations_are_no_cancellation_points() {
    leno::run(|| {
        let handle = leno::spawn(|| {
            thread::current().cancel();
            let (sender, receiver) = bounded(1);
            sender.try_send(1).unwrap();
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_iter().count(), 0);
            drop(leno::spawn(|| ()));
            "to its end"
        });
        assert_eq!(handle.join().unwrap(), "to its end");
    });
}

#[test]
fn one_that_is_joined_and_one_that_joins() {
    story(|| {
        let inner = leno::spawn(|| {
            sleep(5 * SECOND);
            "inner"
        });
        let thread = inner.thread().clone();
        let joins = leno::spawn(move || inner.join().map_err(|payload| payload.is::<Cancelled>()));
        sleep(SECOND);
        thread.cancel();
        assert_eq!(joins.join().unwrap(), Err(true), "whoever joins learns of it");
        // Cancelling the one who joins leaves the other alone.
        let done = Rc::new(Cell::new(false));
        let set = done.clone();
        let inner = leno::spawn(move || {
            sleep(5 * SECOND);
            set.set(true);
        });
        let joins = leno::spawn(move || inner.join());
        sleep(SECOND);
        joins.cancel();
        assert_cancelled(joins);
        assert!(!done.get());
        sleep(5 * SECOND);
        assert!(done.get(), "it goes on by itself");
    });
}

#[test]
fn a_value_that_is_being_handed_over_is_not_lost() {
    story(|| {
        let ledger = Ledger::default();
        // To a receiver: the message was his before the cancellation.
        let (sender, receiver) = bounded(0);
        let values = ledger.clone();
        let receives = leno::spawn(move || {
            let got = receiver.recv().expect("there is a sender");
            thread::park();
            drop((got, values));
        });
        leno::yield_now();
        assert!(sender.try_send(ledger.value()).is_ok(), "he waits");
        receives.cancel();
        assert_eq!(ledger.alive(), 1);
        assert_cancelled(receives);
        assert_eq!(ledger.alive(), 0, "dropped by its owner's unwinding");
        // From a sender: it has been taken, so sending has succeeded.
        let (sender, receiver) = bounded(0);
        let (sent, value) = (Rc::new(Cell::new(false)), ledger.value());
        let set = sent.clone();
        let sends = leno::spawn(move || {
            set.set(sender.send(value).is_ok());
            thread::park();
        });
        leno::yield_now();
        assert!(receiver.try_recv().is_ok(), "he waits");
        sends.cancel();
        assert_cancelled(sends);
        assert!(sent.get());
        ledger.check();
    });
}

#[test]
fn one_who_waits_for_room_leaves_it_to_the_next() {
    story(|| {
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let sends: Vec<_> = (1..=3)
            .map(|number| (number, sender.clone()))
            .map(|(number, sender)| leno::spawn(move || sender.send(number).is_ok()))
            .collect();
        leno::yield_now();
        sends[0].cancel();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 2, 3]);
        let results: Vec<_> = sends.into_iter().map(|send| send.join().ok()).collect();
        assert_eq!(results, [None, Some(true), Some(true)]);
    });
}

#[test]
fn in_a_shield_nothing_is_unwound_and_after_it_at_the_next_wait() {
    story(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = log.clone();
        let handle = leno::spawn(move || {
            thread::shield(|| {
                sleep(2 * SECOND);
                thread::shield(|| sleep(SECOND));
                inner.borrow_mut().push("inner shield over");
                sleep(SECOND);
                inner.borrow_mut().push("saved");
            });
            inner.borrow_mut().push("no wait yet");
            leno::yield_now();
            inner.borrow_mut().push("not reached");
        });
        sleep(SECOND);
        let start = Instant::now();
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(*log.borrow(), ["inner shield over", "saved", "no wait yet"]);
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert_eq!(thread::shield(|| 5), 5);
        let shielded = panic::catch_unwind(|| {
            thread::shield(|| panic::resume_unwind(Box::new("through a shield")))
        });
        assert_eq!(text_of(shielded.unwrap_err()), "through a shield");
        // That one is over, too.
        let handle = leno::spawn(|| {
            let _ = panic::catch_unwind(|| thread::shield(|| panic::resume_unwind(Box::new(()))));
            thread::park();
        });
        leno::yield_now();
        handle.cancel();
        assert_cancelled(handle);
    });
}

#[test]
fn a_scope_waits_for_its_green_threads_before_the_unwinding_goes_on() {
    story(|| {
        let ledger = Ledger::default();
        let (values, done) = (ledger.clone(), Rc::new(Cell::new(false)));
        let set = done.clone();
        let handle = leno::spawn(move || {
            let borrowed = values.value();
            leno::scope(|scope| {
                scope.spawn(|| {
                    sleep(3 * SECOND);
                    set.set(borrowed.index() == 0);
                });
                thread::park();
            });
        });
        sleep(SECOND);
        let start = Instant::now();
        handle.cancel();
        leno::yield_now();
        assert_eq!(ledger.alive(), 1, "it is still borrowed");
        assert_cancelled(handle);
        assert_eq!((done.get(), start.elapsed()), (true, 2 * SECOND));
        ledger.check();
    });
}

#[test]
fn a_scoped_green_thread_that_was_cancelled_is_no_panic_of_the_scope() {
    story(|| {
        let value = leno::scope(|scope| {
            let handle = scope.spawn(thread::park);
            leno::yield_now();
            handle.cancel();
            drop(handle);
            let handle = scope.spawn(thread::park);
            handle.cancel();
            assert!(handle.join().unwrap_err().is::<Cancelled>());
            1
        });
        assert_eq!(value, 1);
    });
}

#[test]
fn code_that_catches_the_unwinding_is_unwound_again() {
    story(|| {
        let times = Rc::new(Cell::new(0));
        let count = times.clone();
        let handle = leno::spawn(move || {
            for _ in 0..10 {
                let result = panic::catch_unwind(AssertUnwindSafe(thread::park));
                count.set(count.get() + u32::from(result.is_err()));
            }
            "it ends by itself"
        });
        leno::yield_now();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), "it ends by itself");
        assert_eq!(times.get(), 10);
        // Whoever hands the payload on is cancelled.
        let handle = leno::spawn(|| {
            let payload = panic::catch_unwind(thread::park).unwrap_err();
            panic::resume_unwind(payload);
        });
        leno::yield_now();
        handle.cancel();
        assert_cancelled::<()>(handle);
    });
}

#[test]
fn the_coroutines_of_a_cancelled_green_thread_are_unwound_with_it() {
    story(|| {
        let ledger = Ledger::default();
        let values = ledger.clone();
        let handle = leno::spawn(move || {
            let suspended = Coroutine::<(), (), ()>::new({
                let value = values.value();
                move |yielder, ()| {
                    let _value = value;
                    yielder.suspend(());
                }
            });
            suspended.resume(());
            // It waits inside one, too.
            let value = values.value();
            let waits = Coroutine::<(), (), ()>::new(move |_, ()| {
                let _value = value;
                thread::park();
            });
            waits.resume(());
        });
        leno::yield_now();
        assert_eq!(ledger.alive(), 2);
        handle.cancel();
        assert_cancelled(handle);
        ledger.check();
    });
}

#[test]
fn a_thousand_are_cancelled_in_one_go_and_each_at_another_step() {
    story(|| {
        let ledger = Ledger::default();
        let handles: Vec<_> = (0..1_000)
            .map(|number| {
                let values = ledger.clone();
                leno::spawn(move || {
                    let _first = values.value();
                    for _ in 0..number % 10 {
                        leno::yield_now();
                    }
                    let _second = values.value();
                    thread::park();
                })
            })
            .collect();
        (0..5).for_each(|_| leno::yield_now());
        handles.iter().for_each(JoinHandle::cancel);
        handles.into_iter().for_each(assert_cancelled);
        assert!(ledger.made() > 1_000);
        ledger.check();
        // Nobody is left who would make others look.
        assert_eq!(leno::spawn(|| 1).join().unwrap(), 1);
    });
}
