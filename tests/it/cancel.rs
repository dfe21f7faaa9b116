//! Cancellation at every stage of a green thread's life, and what the unwinding runs
//! through.

mod bad_input;
mod callers;
mod hooks;
mod kept;
mod panics;
mod passed_on;
mod rest;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::{bounded, unbounded};
use leno::coroutine::Coroutine;
use leno::thread::{self, Cancelled, JoinHandle};
use leno::time::{Duration, Instant, sleep};

use crate::support::{
    Ledger, SECOND, assert_cancelled, caught, hook_runs, in_virtual_time, text_of,
};

#[test]
fn destructors_run_once_without_the_panic_hook() {
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
            assert_eq!(ledger.alive(), 2, "the unwinding waits for the thread's next turn");
            assert_cancelled(handle);
        });
    });
    assert_eq!(runs, 0);
    ledger.check();
}

#[test]
fn cancelling_again_or_after_the_end_does_nothing() {
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
        // Nor through a `Thread` that outlives the join handle.
        thread.cancel();
        thread.unpark();
    });
}

#[test]
fn cancelling_before_the_start_drops_the_closure() {
    let ledger = Ledger::default();
    leno::run(|| {
        let value = ledger.value();
        let handle = leno::spawn(move || {
            drop(value);
            unreachable!("the closure never runs");
        });
        handle.cancel();
        assert_eq!(ledger.alive(), 1, "the closure is dropped at the thread's next turn");
        assert_cancelled::<()>(handle);
    });
    ledger.check();
}

#[test]
fn a_closure_that_waits_no_more_returns_its_value() {
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
        // The thread is woken before it is cancelled, so that wait has ended.
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
            // `park` would return at once, yet the cancellation comes first.
            thread::current().unpark();
            thread::park();
            unreachable!("it was cancelled");
        });
        assert_cancelled::<()>(handle);
        ledger.check();
    });
    // In the main green thread, `run` goes on with the payload.
    let payload = caught(|| {
        leno::run(|| {
            thread::current().cancel();
            leno::yield_now();
        })
    });
    assert!(payload.unwrap_err().is::<Cancelled>());
}

#[test]
fn every_wait_is_a_cancellation_point() {
    let (sender, receiver) = unbounded::<u32>();
    sender.send(0).unwrap();
    let (ends, waits) = bounded::<u32>(0);
    let (sends, receives) = (ends.clone(), waits.clone());
    type Wait = Box<dyn Fn()>;
    let kinds: [(&str, Wait); 12] = [
        ("yield_now", Box::new(leno::yield_now)),
        ("park", Box::new(thread::park)),
        ("park_timeout", Box::new(|| thread::park_timeout(SECOND))),
        ("sleep", Box::new(|| sleep(SECOND))),
        ("sleep zero", Box::new(|| sleep(Duration::ZERO))),
        ("recv", Box::new(move || _ = receives.recv())),
        ("recv without waiting", Box::new(move || _ = receiver.recv())),
        ("send", Box::new(move || _ = sends.send(1))),
        ("send without waiting", Box::new(move || _ = sender.send(1))),
        ("select!", Box::new(move || leno::select! { recv(waits) -> _ => (), default => () })),
        ("join", Box::new(|| _ = leno::spawn(|| ()).join())),
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
fn try_operations_are_not_cancellation_points() {
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
fn cancelling_reaches_the_joiner_but_not_the_joined_thread() {
    in_virtual_time(|| {
        let inner = leno::spawn(|| {
            sleep(5 * SECOND);
            "inner"
        });
        let thread = inner.thread().clone();
        let joins = leno::spawn(move || inner.join().map_err(|payload| payload.is::<Cancelled>()));
        sleep(SECOND);
        thread.cancel();
        assert_eq!(joins.join().unwrap(), Err(true), "the joiner learns of the cancellation");
        // Cancelling the joiner leaves the joined thread alone.
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
        assert!(done.get(), "the joined thread goes on");
    });
}

#[test]
fn a_value_in_transit_is_not_lost() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        // To a receiver: the message was the receiver's before the cancellation.
        let (sender, receiver) = bounded(0);
        let values = ledger.clone();
        let receives = leno::spawn(move || {
            let got = receiver.recv().expect("there is a sender");
            thread::park();
            drop((got, values));
        });
        leno::yield_now();
        assert!(sender.try_send(ledger.value()).is_ok(), "the receiver waits");
        receives.cancel();
        assert_eq!(ledger.alive(), 1);
        assert_cancelled(receives);
        assert_eq!(ledger.alive(), 0, "dropped by its owner's unwinding");
        // From a sender: the value has been taken, so sending has succeeded.
        let (sender, receiver) = bounded(0);
        let (sent, value) = (Rc::new(Cell::new(false)), ledger.value());
        let set = sent.clone();
        let sends = leno::spawn(move || {
            set.set(sender.send(value).is_ok());
            thread::park();
        });
        leno::yield_now();
        assert!(receiver.try_recv().is_ok(), "the sender waits");
        sends.cancel();
        assert_cancelled(sends);
        assert!(sent.get());
        ledger.check();
    });
}

#[test]
fn a_cancelled_sender_leaves_its_place_to_the_next() {
    in_virtual_time(|| {
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let sends: Vec<_> = (1..=3)
            .map(|number| {
                let sender = sender.clone();
                leno::spawn(move || sender.send(number).is_ok())
            })
            .collect();
        leno::yield_now();
        sends[0].cancel();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 2, 3]);
        let results: Vec<_> = sends.into_iter().map(|send| send.join().ok()).collect();
        assert_eq!(results, [None, Some(true), Some(true)]);
    });
}

#[test]
fn a_shield_puts_the_unwinding_off() {
    in_virtual_time(|| {
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
        // A shield that a panic leaves has ended as well.
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
fn an_unwound_scope_waits_for_its_green_threads() {
    in_virtual_time(|| {
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
        assert_eq!(ledger.alive(), 1, "the value is still borrowed");
        assert_cancelled(handle);
        assert_eq!((done.get(), start.elapsed()), (true, 2 * SECOND));
        ledger.check();
    });
}

#[test]
fn a_cancelled_scoped_thread_does_not_panic_the_scope() {
    in_virtual_time(|| {
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
fn a_caught_cancellation_fires_again_at_the_next_wait() {
    in_virtual_time(|| {
        let times = Rc::new(Cell::new(0));
        let count = times.clone();
        let handle = leno::spawn(move || {
            for _ in 0..10 {
                let result = panic::catch_unwind(AssertUnwindSafe(thread::park));
                count.set(count.get() + u32::from(result.is_err()));
            }
            "the loop has ended"
        });
        leno::yield_now();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), "the loop has ended");
        assert_eq!(times.get(), 10);
        // A thread that resumes the payload counts as cancelled.
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
fn cancellation_unwinds_the_coroutines_of_the_thread() {
    in_virtual_time(|| {
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
            // The thread also waits inside a coroutine.
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
fn a_thousand_threads_are_cancelled_at_different_steps() {
    in_virtual_time(|| {
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
        // No cancellation is left that a later wait could take for its own.
        assert_eq!(leno::spawn(|| 1).join().unwrap(), 1);
    });
}
