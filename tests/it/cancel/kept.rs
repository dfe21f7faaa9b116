//! An unwinding ends where it is caught, wherever its payload goes then: dropped, kept,
//! forgotten, or taken to another OS thread.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::mpsc;

use leno::coroutine::{Coroutine, Yielder};
use leno::sync::Mutex;
use leno::thread::{self, Builder};
use leno::time::{Duration, Instant, sleep, timeout};

use crate::support::{
    Ledger, OnDrop, SECOND, assert_cancelled, caught, in_virtual_time, panic_text,
};

type Payload = Box<dyn Any + Send>;

thread_local! {
    static KEPT: RefCell<Vec<Payload>> = const { RefCell::new(Vec::new()) };
}

type Fate = (&'static str, fn(Payload));

/// What may happen to a payload that was caught.
const FATES: [Fate; 4] = [
    ("dropped", drop),
    ("kept", |payload| KEPT.with_borrow_mut(|kept| kept.push(payload))),
    ("forgotten", mem::forget),
    ("sent", |payload| {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || sender.send(payload));
        KEPT.with_borrow_mut(|kept| kept.extend(receiver));
        thread.join().unwrap().unwrap();
    }),
];

/// Catches the unwinding out of `wait`.
#[track_caller]
fn catch(wait: impl FnOnce(), fate: fn(Payload)) {
    let caught = panic::catch_unwind(AssertUnwindSafe(wait));
    fate(caught.expect_err("the wait is unwound"));
}

/// Catches its unwinding, and waits again.
fn waits_twice(fate: fn(Payload)) {
    catch(thread::park, fate);
    assert!(!thread::panicking());
    thread::park();
    unreachable!("the second wait is unwound as well");
}

#[test]
fn a_caught_payload_does_not_stop_a_deadline() {
    for (name, fate) in FATES {
        in_virtual_time(|| {
            let start = Instant::now();
            let result = timeout(SECOND, || {
                catch(|| sleep(2 * SECOND), fate);
                sleep(5 * SECOND);
            });
            assert_eq!((result.is_err(), start.elapsed()), (true, SECOND), "{name}");
            // A scope around it, and a later one, have deadlines of their own.
            let outer = timeout(4 * SECOND, || {
                let inner = timeout(SECOND, || catch(|| sleep(2 * SECOND), fate));
                assert!(inner.is_ok(), "{name}: it has returned");
                sleep(Duration::MAX);
            });
            assert_eq!((outer.is_err(), start.elapsed()), (true, 5 * SECOND), "{name}");
        });
    }
}

#[test]
fn a_caught_payload_does_not_stop_a_cancellation() {
    for (name, fate) in FATES {
        in_virtual_time(|| {
            let ledger = Ledger::default();
            let value = ledger.value();
            let handle = leno::spawn(move || {
                let _value = value;
                waits_twice(fate);
            });
            leno::yield_now();
            handle.cancel();
            let Ok(result) = handle.join_timeout(SECOND) else { panic!("{name}: it goes on") };
            assert!(result.unwrap_err().is::<thread::Cancelled>(), "{name}");
            ledger.check();
        });
    }
}

#[test]
fn a_payload_that_is_resumed_later_still_cancels() {
    in_virtual_time(|| {
        let handle = leno::spawn(|| {
            let first = panic::catch_unwind(thread::park).unwrap_err();
            let second = panic::catch_unwind(thread::park).unwrap_err();
            mem::forget(second);
            panic::resume_unwind(first);
        });
        leno::yield_now();
        handle.cancel();
        assert_cancelled::<()>(handle);
    });
}

#[test]
fn a_caught_payload_does_not_stop_the_end_of_a_deadlock() {
    for (name, fate) in FATES {
        let text = panic_text(|| leno::run(|| leno::spawn(move || waits_twice(fate)).join()));
        assert!(text.starts_with("deadlock: every green thread waits"), "{name}: {text}");
    }
}

#[test]
fn a_caught_payload_does_not_stop_the_drop_of_a_runtime() {
    for (_, fate) in FATES {
        for cancels_first in [false, true] {
            let runtime = leno::Runtime::new();
            let handle = Builder::new().spawn_on(&runtime, move || {
                thread::shield(|| {
                    catch(thread::park, fate);
                    thread::park();
                });
            });
            let handle = handle.unwrap();
            runtime.run_until_stalled();
            if cancels_first {
                handle.cancel();
                runtime.run_until_stalled();
            }
            drop(runtime);
            assert_cancelled(handle);
        }
    }
}

#[test]
fn a_lock_is_not_poisoned_after_a_caught_unwinding() {
    for (name, fate) in FATES {
        in_virtual_time(|| {
            let mutex = Rc::new(Mutex::new(()));
            let inner = mutex.clone();
            let handle = leno::spawn(move || {
                catch(thread::park, fate);
                drop(inner.lock());
            });
            leno::yield_now();
            handle.cancel();
            // The lock is free, yet the cancellation comes first; without one it is as clean.
            assert_cancelled(handle);
            let _ = timeout(SECOND, || catch(|| sleep(2 * SECOND), fate));
            drop(mutex.lock());
            assert!(!mutex.is_poisoned(), "{name}");
        });
    }
}

#[test]
fn a_caught_unwinding_ends_amid_the_panic_of_another() {
    for (name, fate) in FATES {
        in_virtual_time(|| {
            let panics = leno::spawn(|| {
                let _waits = OnDrop(|| sleep(9 * SECOND));
                panic::resume_unwind(Box::new("the other's"));
            });
            leno::yield_now();
            assert!(std::thread::panicking());
            let handle = leno::spawn(move || waits_twice(fate));
            leno::yield_now();
            handle.cancel();
            let Ok(result) = handle.join_timeout(SECOND) else { panic!("{name}: it goes on") };
            assert!(result.unwrap_err().is::<thread::Cancelled>(), "{name}");
            assert!(!panics.is_finished());
            assert!(panics.join().is_err());
        });
    }
}

type Local = RefCell<Option<OnDrop<Box<dyn FnMut()>>>>;

leno::green_local! {
    static LOCAL: Local = RefCell::new(None);
}

#[test]
fn a_local_of_an_unwound_thread_may_wait() {
    // The main green thread, and another.
    for spawns in [false, true] {
        let done = Rc::new(Cell::new(0));
        let inner = done.clone();
        let body = move || {
            LOCAL.with(|local| {
                local.replace(Some(OnDrop(Box::new(move || {
                    leno::yield_now();
                    inner.set(inner.get() + 1);
                }))));
            });
            let _ = panic::catch_unwind(thread::park).map_err(mem::forget);
            thread::park();
        };
        let text = panic_text(|| {
            leno::run(|| if spawns { drop(leno::spawn(body)) } else { body() });
        });
        assert!(text.starts_with("deadlock"), "{text}");
        assert_eq!(done.get(), 1);
    }
}

/// Returns a suspended coroutine that catches the unwinding which closes it, and then resumes
/// `payload`, or keeps what it has caught.
fn resumes(payload: Option<Payload>) -> Coroutine<(), (), ()> {
    let coroutine = Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
        let keep = |payload| KEPT.with_borrow_mut(|kept| kept.push(payload));
        catch(|| yielder.suspend(()), keep);
        if let Some(payload) = payload {
            panic::resume_unwind(payload);
        }
    });
    coroutine.resume(());
    coroutine
}

#[test]
fn a_kept_payload_ends_no_later_closing_of_a_coroutine() {
    drop(resumes(None));
    let payload = KEPT.with_borrow_mut(Vec::pop);
    assert!(payload.is_some());
    // Its control block is where that of the first one was.
    let second = resumes(payload);
    assert!(caught(|| drop(second)).is_err(), "for this coroutine it is a panic");
}

#[cfg(feature = "weave")]
mod explored {
    use leno::weave::{Explorer, explore};

    use super::{Cell, FATES, OnDrop, Rc, assert_cancelled, panic, thread, waits_twice};

    #[test]
    fn an_exploration_ends_whatever_becomes_of_payloads() {
        for (name, fate) in FATES {
            let cancelled = || {
                let handle = leno::spawn(move || waits_twice(fate));
                leno::yield_now();
                handle.cancel();
                assert_cancelled(handle);
            };
            let report = explore(cancelled);
            assert!(report.is_complete() && report.failure().is_none(), "{name}: {report}");
            let deadlock = || leno::spawn(move || waits_twice(fate)).join().is_err();
            let report = explore(deadlock);
            let failure = report.failure().expect("a deadlock").to_string();
            assert!(failure.contains("deadlock"), "{name}: {failure}");
            assert!(failure.contains("schedule: "), "{name}: {failure}");
        }
    }

    /// In a run that is stopped, a thread that accesses much is unwound at its accesses.
    #[test]
    fn a_scope_in_a_stopped_run_waits_for_its_threads() {
        let early = Rc::new(Cell::new(false));
        let seen = early.clone();
        let report = Explorer::new().preemptive().max_steps(50).explore(move || {
            let is_left = Rc::new(Cell::new(false));
            let mutex = leno::sync::Mutex::new(());
            let uses = || while mutex.try_lock().is_ok() {};
            let body = || {
                leno::scope(|scope| {
                    scope.spawn(|| {
                        let (is_left, seen) = (is_left.clone(), seen.clone());
                        let _checks = OnDrop(move || seen.set(seen.get() || is_left.get()));
                        thread::park();
                    });
                    leno::yield_now();
                    let caught = panic::catch_unwind(panic::AssertUnwindSafe(uses));
                    caught.unwrap_or_else(std::mem::forget);
                });
            };
            let _left = OnDrop(|| is_left.set(true));
            body();
        });
        assert!(!early.get(), "a thread has outlived its scope: {report}");
    }
}
