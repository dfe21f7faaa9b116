//! Mutexes.

use std::fmt::Debug;
use std::mem;
use std::rc::Rc;

use leno::Policy;
use leno::sync::{Mutex, TryLockError};
use leno::thread::{self, Builder, JoinHandle};
use leno::time::{Duration, Instant, sleep};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::panic_text;

/// Spawns a green thread that locks, writes its name, and yields before it unlocks.
fn locker(mutex: &Rc<Mutex<i32>>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (mutex, log) = (mutex.clone(), log.clone());
    thread::spawn(move || {
        let _guard = mutex.lock().unwrap();
        log.write(name);
        leno::yield_now();
    })
}

#[test]
fn waiters_get_the_lock_in_order_of_arrival() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let all = ["a", "b", "c"].map(|name| locker(&mutex, &log, name));
        settle();
        drop(guard);
        // This lock comes after those of all waiters.
        let _guard = mutex.lock().unwrap();
        log.write("main");
        assert_eq!(log.take(), "a b c main");
        drop(_guard);
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn a_handed_over_lock_is_held_before_its_owner_runs() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let one = locker(&mutex, &log, "one");
        settle();
        drop(guard);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
        assert_eq!(log.take(), "");
        one.join().unwrap();
        assert!(mutex.try_lock().is_ok());
    });
}

#[test]
fn a_free_lock_is_taken_without_a_switch() {
    run(|| {
        let log = Log::default();
        let (mutex, other) = (Mutex::new(1), log.clone());
        let one = thread::spawn(move || other.write("other"));
        for _ in 0..1_000 {
            *mutex.lock().unwrap() += 1;
            drop(mutex.try_lock().unwrap());
            drop(mutex.lock_timeout(SECOND).unwrap());
        }
        assert_eq!(log.take(), "");
        one.join().unwrap();
    });
}

#[test]
fn the_lock_excludes_other_green_threads() {
    for seed in 0..50 {
        leno::Builder::new().policy(Policy::random(seed)).run(|| {
            let mutex = Mutex::new(0);
            leno::scope(|scope| {
                for _ in 0..5 {
                    scope.spawn(|| {
                        for _ in 0..5 {
                            let mut value = mutex.lock().unwrap();
                            let before = *value;
                            leno::yield_now();
                            *value = before + 1;
                        }
                    });
                }
            });
            assert_eq!(mutex.into_inner().unwrap(), 25);
        });
    }
}

#[test]
fn a_cancelled_waiter_is_passed_over() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|name| locker(&mutex, &log, name));
        settle();
        second.cancel();
        second.cancel();
        // The cancelled waiter has not run since.
        drop(guard);
        first.join().unwrap();
        third.join().unwrap();
        assert_cancelled(second);
        assert_eq!(log.take(), "a c");
        assert!(!mutex.is_poisoned());
        drop(mutex.try_lock().unwrap());
    });
}

#[test]
fn a_holder_cancelled_after_the_hand_over_releases_the_lock() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let [first, second] = ["a", "b"].map(|name| locker(&mutex, &log, name));
        settle();
        drop(guard);
        first.cancel();
        assert!(mutex.try_lock().is_err());
        assert_cancelled(first);
        // `first` was unwound at its yield, while it held the lock.
        assert!(second.join().unwrap_err().is::<String>());
        assert_eq!(log.take(), "a");
        assert!(mutex.is_poisoned());
        mutex.clear_poison();
        drop(mutex.try_lock().unwrap());
    });
}

#[test]
fn a_cancelled_thread_does_not_take_a_free_lock() {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let other = mutex.clone();
        let victim = thread::spawn(move || {
            thread::shield(leno::yield_now);
            drop(other.lock());
            unreachable!("the lock is a cancellation point");
        });
        leno::yield_now();
        victim.cancel();
        assert_cancelled(victim);
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_timed_lock_ends_at_its_deadline() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let (other, words) = (mutex.clone(), log.clone());
        let impatient = thread::spawn(move || {
            let start = Instant::now();
            let result = other.lock_timeout(5 * SECOND);
            assert!(matches!(result, Err(TryLockError::WouldBlock)));
            words.write(start.elapsed().as_secs());
        });
        let patient = mutex.clone();
        let patient =
            thread::spawn(move || patient.lock_timeout(Duration::MAX).map(|_| ()).is_ok());
        let last = locker(&mutex, &log, "last");
        sleep(10 * SECOND);
        assert_eq!(log.take(), "5");
        drop(guard);
        impatient.join().unwrap();
        assert!(patient.join().unwrap());
        last.join().unwrap();
        assert_eq!(log.take(), "last");
    });
}

#[test]
fn a_lock_released_at_the_deadline_is_not_lost() {
    for waiter_first in [true, false] {
        run(|| {
            let mutex = Rc::new(Mutex::new(0));
            let guard = mutex.lock().unwrap();
            let other = mutex.clone();
            let waiter = thread::spawn(move || other.lock_timeout(SECOND).is_ok());
            if waiter_first {
                leno::yield_now();
            }
            sleep(SECOND);
            // The clock has ended both waits before either green thread runs.
            drop(guard);
            drop(mutex.try_lock().expect("the lock was not handed over"));
            assert!(!waiter.join().unwrap());
            drop(mutex.try_lock().unwrap());
        });
    }
}

#[test]
fn a_timed_lock_of_zero_yields() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let words = log.clone();
        let other = thread::spawn(move || words.write("other"));
        assert!(matches!(mutex.lock_timeout(Duration::ZERO), Err(TryLockError::WouldBlock)));
        assert_eq!(log.take(), "other");
        drop(guard);
        assert!(mutex.lock_timeout(Duration::ZERO).is_ok());
        other.join().unwrap();
    });
}

#[test]
fn locking_twice_is_a_deadlock() {
    let line = line!() + 5;
    let text = panic_text(|| {
        leno::run(|| {
            let mutex = Mutex::new(0);
            let _guard = mutex.lock().unwrap();
            let _again = mutex.lock();
        })
    });
    assert!(text.starts_with("deadlock"), "{text}");
    assert!(text.contains("main") && text.contains("mutex"), "{text}");
    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
}

#[test]
fn a_forgotten_guard_holds_the_lock_for_ever() {
    let text = panic_text(|| {
        run(|| {
            let mutex = Mutex::new(0);
            mem::forget(mutex.lock());
            assert!(mutex.lock_timeout(SECOND).is_err());
            drop(mutex.lock());
        })
    });
    assert!(text.contains("mutex"), "{text}");
}

#[test]
fn a_mutex_needs_a_runtime_only_to_wait() {
    let mut mutex = Mutex::new(1);
    *mutex.lock().unwrap() += 1;
    *mutex.get_mut().unwrap() += 1;
    mutex.set_name("counter");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(*guard, 3);
    assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
    let expected = "needs a runtime: call it from inside leno::run";
    assert_eq!(panic_text(|| drop(mutex.lock())), format!("Mutex::lock {expected}"));
    let text = panic_text(|| drop(mutex.lock_timeout(SECOND)));
    assert_eq!(text, format!("Mutex::lock_timeout {expected}"));
    drop(guard);
    assert!(!mutex.is_poisoned());
    assert_eq!(mutex.into_inner().unwrap(), 3);
}

#[test]
fn a_lock_may_be_handed_to_another_runtime() {
    let host = leno::Runtime::new();
    let mutex = Rc::new(Mutex::new(0));
    let other = mutex.clone();
    let holder = Builder::new()
        .spawn_on(&host, move || {
            let mut guard = other.lock().unwrap();
            thread::park();
            *guard = 1;
        })
        .unwrap();
    host.run_until_stalled();
    let waiting = leno::Runtime::new();
    let other = mutex.clone();
    let waiter = Builder::new().spawn_on(&waiting, move || *other.lock().unwrap()).unwrap();
    waiting.run_until_stalled();
    assert!(!waiter.is_finished());
    holder.thread().unpark();
    host.run_until_stalled();
    assert!(mutex.try_lock().is_err());
    waiting.run_until_stalled();
    assert_eq!(waiter.join().unwrap(), 1);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn an_unsized_mutex_prints_as_in_std() {
    let any: Box<Mutex<dyn Debug>> = Box::new(Mutex::new("text"));
    assert_eq!(format!("{:?}", any.lock().unwrap()), "\"text\"");
    let slice: &Mutex<[i32]> = &Mutex::new([1, 2, 3]);
    slice.lock().unwrap()[1] = 5;
    let std = std::sync::Mutex::new([1, 5, 3]);
    assert_eq!(format!("{slice:?}"), format!("{std:?}"));
    let guard = slice.lock().unwrap();
    assert_eq!(format!("{slice:?}"), "Mutex { data: <locked>, poisoned: false, .. }");
    drop(guard);
    assert_eq!(*Mutex::<i32>::default().lock().unwrap(), 0);
    assert_eq!(Mutex::from(5).lock().unwrap().to_string(), "5");
}

#[test]
fn a_thread_local_may_hold_a_mutex() {
    thread_local! {
        static COUNT: Mutex<u32> = const { Mutex::new(0) };
    }
    run(|| {
        leno::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| COUNT.with(|count| *count.lock().unwrap() += 1));
            }
        });
        COUNT.with(|count| assert_eq!(*count.lock().unwrap(), 3));
    });
}
