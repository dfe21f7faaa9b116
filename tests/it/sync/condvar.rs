//! Condition variables.

use std::cell::Cell;
use std::rc::Rc;

use leno::sync::{Condvar, Mutex, MutexGuard};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, Instant, sleep, timeout};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::panic_text;

/// A counter of items, and the condition variable for its changes.
#[derive(Clone, Default)]
struct Store(Rc<(Mutex<u32>, Condvar)>);

impl Store {
    fn lock(&self) -> MutexGuard<'_, u32> {
        self.0.0.lock().unwrap()
    }

    fn changed(&self) -> &Condvar {
        &self.0.1
    }

    /// Spawns a green thread that waits for a notification and then writes its name.
    fn waiter(&self, log: &Log, name: &'static str) -> JoinHandle<()> {
        let (store, log) = (self.clone(), log.clone());
        thread::spawn(move || {
            let _guard = store.changed().wait(store.lock()).unwrap();
            log.write(name);
        })
    }
}

#[test]
fn waiting_releases_the_lock_and_takes_it_again() {
    run(|| {
        let (store, log) = (Store::default(), Log::default());
        let one = store.waiter(&log, "one");
        settle();
        let guard = store.0.0.try_lock().expect("the waiter has released the lock");
        store.changed().notify_one();
        settle();
        assert_eq!(log.take(), "", "another green thread holds the lock");
        drop(guard);
        one.join().unwrap();
        assert_eq!(log.take(), "one");
    });
}

#[test]
fn waiters_are_notified_in_order_of_arrival() {
    run(|| {
        let (store, log) = (Store::default(), Log::default());
        // Notifications without a waiter have no effect.
        store.changed().notify_one();
        store.changed().notify_all();
        let all = ["a", "b", "c", "d"].map(|name| store.waiter(&log, name));
        settle();
        assert_eq!(log.take(), "");
        for name in ["a", "b"] {
            store.changed().notify_one();
            settle();
            assert_eq!(log.take(), name);
        }
        store.changed().notify_all();
        settle();
        assert_eq!(log.take(), "c d");
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn wait_while_checks_before_and_after_each_notification() {
    run(|| {
        let (store, looks) = (Store::default(), Rc::new(Cell::new(0)));
        let guard = store.changed().wait_while(store.lock(), |_| false).unwrap();
        drop(guard);
        let (other, counter) = (store.clone(), looks.clone());
        let taker = thread::spawn(move || {
            let condition = |count: &mut u32| {
                counter.set(counter.get() + 1);
                *count < 2
            };
            *other.changed().wait_while(other.lock(), condition).unwrap()
        });
        for expected in [1, 2, 3] {
            settle();
            assert_eq!(looks.get(), expected);
            *store.lock() += 1;
            store.changed().notify_one();
        }
        assert_eq!(taker.join().unwrap(), 2);
    });
}

#[test]
fn a_wait_ends_at_its_deadline() {
    run(|| {
        let store = Store::default();
        let start = Instant::now();
        let (guard, result) = store.changed().wait_timeout(store.lock(), 3 * SECOND).unwrap();
        assert!(result.timed_out());
        assert_eq!(start.elapsed(), 3 * SECOND);
        drop(guard);

        let other = store.clone();
        let notifier = thread::spawn(move || {
            sleep(SECOND);
            other.changed().notify_one();
        });
        let (guard, result) = store.changed().wait_timeout(store.lock(), Duration::MAX).unwrap();
        assert!(!result.timed_out());
        assert_eq!(start.elapsed(), 4 * SECOND);
        drop(guard);
        notifier.join().unwrap();

        let (_guard, result) = store.changed().wait_timeout(store.lock(), Duration::ZERO).unwrap();
        assert!(result.timed_out());
    });
}

#[test]
fn wait_timeout_while_has_one_deadline_for_all_waits() {
    run(|| {
        let store = Store::default();
        let other = store.clone();
        let ticker = thread::spawn(move || {
            for _ in 0..10 {
                sleep(SECOND);
                *other.lock() += 1;
                other.changed().notify_all();
            }
        });
        let start = Instant::now();
        let until = |wanted: u32, time: Duration| {
            let condition = |count: &mut u32| *count < wanted;
            let waited = store.changed().wait_timeout_while(store.lock(), time, condition);
            let (guard, result) = waited.unwrap();
            (*guard, result.timed_out())
        };
        assert_eq!(until(2, 5 * SECOND), (2, false));
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(until(9, 3 * SECOND + SECOND / 2), (5, true));
        assert_eq!(start.elapsed(), 5 * SECOND + SECOND / 2);
        assert_eq!(until(5, Duration::ZERO), (5, false));
        assert_eq!(until(6, Duration::ZERO), (5, true));
        ticker.join().unwrap();
    });
}

/// A lock holder changes the condition after the deadline has passed.
#[test]
fn a_condition_true_before_relocking_is_no_timeout() {
    run(|| {
        let store = Store::default();
        let other = store.clone();
        let changer = thread::spawn(move || {
            let mut count = other.lock();
            sleep(5 * SECOND);
            *count = 1;
        });
        let waited = store.changed().wait_timeout_while(store.lock(), SECOND, |count| *count == 0);
        let (guard, result) = waited.unwrap();
        assert_eq!((*guard, result.timed_out()), (1, false));
        changer.join().unwrap();
    });
}

#[test]
fn a_cancelled_waiter_takes_no_notification() {
    run(|| {
        let (store, log) = (Store::default(), Log::default());
        let [first, second] = ["a", "b"].map(|name| store.waiter(&log, name));
        settle();
        let guard = store.lock();
        first.cancel();
        // The cancelled waiter has not run since.
        store.changed().notify_one();
        assert_cancelled(first);
        drop(guard);
        second.join().unwrap();
        assert_eq!(log.take(), "b");
        assert!(!store.0.0.is_poisoned());
    });
}

#[test]
fn a_notified_waiter_relocks_before_it_is_unwound() {
    run(|| {
        let (store, log) = (Store::default(), Log::default());
        let (other, words) = (store.clone(), log.clone());
        let victim = thread::spawn(move || {
            let mut guard = other.changed().wait(other.lock()).unwrap();
            *guard += 1;
            words.write("notified");
            drop(guard);
            leno::yield_now();
            words.write("unwound too late");
        });
        settle();
        let guard = store.lock();
        store.changed().notify_one();
        // The victim now waits for the lock, and that wait is not cancelled.
        settle();
        victim.cancel();
        victim.cancel();
        settle();
        assert_eq!(log.take(), "");
        drop(guard);
        assert_cancelled(victim);
        assert_eq!(log.take(), "notified");
        assert_eq!(*store.lock(), 1);
    });
}

#[test]
fn a_waiter_cancelled_before_the_wait_releases_the_lock() {
    run(|| {
        let store = Store::default();
        let other = store.clone();
        let victim = thread::spawn(move || {
            let guard = other.lock();
            thread::shield(leno::yield_now);
            let _guard = other.changed().wait(guard);
            unreachable!("the wait is a cancellation point");
        });
        leno::yield_now();
        victim.cancel();
        assert_cancelled(victim);
        assert!(!store.0.0.is_poisoned());
        drop(store.0.0.try_lock().unwrap());
    });
}

#[test]
fn a_wait_ended_by_a_deadline_takes_no_notification() {
    run(|| {
        let (store, log) = (Store::default(), Log::default());
        let (other, words) = (store.clone(), log.clone());
        let impatient = thread::spawn(move || {
            let waited = timeout(SECOND, || drop(other.changed().wait(other.lock())));
            words.write(if waited.is_err() { "elapsed" } else { "notified" });
        });
        leno::yield_now();
        let patient = store.waiter(&log, "patient");
        sleep(2 * SECOND);
        assert_eq!(log.take(), "elapsed");
        store.changed().notify_one();
        patient.join().unwrap();
        impatient.join().unwrap();
    });
}

#[test]
fn a_deadlock_ends_the_wait_for_the_lock() {
    let text = panic_text(|| {
        run(|| {
            let (store, log) = (Store::default(), Log::default());
            let one = store.waiter(&log, "one");
            settle();
            std::mem::forget(store.lock());
            store.changed().notify_one();
            one.join().unwrap();
        })
    });
    assert!(text.contains("waits for a mutex") && text.contains("held by main"), "{text}");
}

#[test]
fn one_condvar_may_serve_several_mutexes() {
    run(|| {
        let (one, other, changed) = (Mutex::new(1), Mutex::new(2), Condvar::default());
        leno::scope(|scope| {
            for mutex in [&one, &other] {
                let changed = &changed;
                scope.spawn(move || drop(changed.wait(mutex.lock().unwrap()).unwrap()));
            }
            settle();
            changed.notify_all();
        });
    });
}

#[test]
fn a_condvar_needs_a_runtime_only_to_wait() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    changed.set_name("changed");
    changed.notify_one();
    changed.notify_all();
    drop(changed.wait_while(mutex.lock().unwrap(), |_| false));
    let text = panic_text(|| drop(changed.wait(mutex.lock().unwrap())));
    assert_eq!(text, "Condvar::wait needs a runtime: call it from inside leno::run");
    assert_eq!(format!("{changed:?}"), "Condvar { .. }");
}
