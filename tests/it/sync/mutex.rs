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

/// One who locks, says so, and lets others have a turn before it unlocks.
fn locker(mutex: &Rc<Mutex<i32>>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (mutex, log) = (mutex.clone(), log.clone());
    thread::spawn(move || {
        let _guard = mutex.lock().unwrap();
        log.write(name);
        leno::yield_now();
    })
}

#[test]
fn the_lock_goes_to_those_who_wait_in_the_order_in_which_they_came() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let all = ["a", "b", "c"].map(|name| locker(&mutex, &log, name));
        settle();
        drop(guard);
        // It is not to be had before those who wait have had it.
        let _guard = mutex.lock().unwrap();
        log.write("main");
        assert_eq!(log.take(), "a b c main");
        drop(_guard);
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn a_lock_that_was_handed_over_is_held_before_its_owner_runs() {
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
fn a_lock_that_is_free_is_taken_without_a_switch() {
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
fn nobody_changes_the_value_while_another_holds_the_lock() {
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
fn one_who_is_cancelled_while_it_waits_leaves_no_trace() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|name| locker(&mutex, &log, name));
        settle();
        second.cancel();
        second.cancel();
        // It has not run since, and is passed over all the same.
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
fn one_who_is_cancelled_after_the_hand_over_has_the_lock_and_releases_it() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(0)), Log::default());
        let guard = mutex.lock().unwrap();
        let [first, second] = ["a", "b"].map(|name| locker(&mutex, &log, name));
        settle();
        drop(guard);
        first.cancel();
        assert!(mutex.try_lock().is_err());
        assert_cancelled(first);
        // It was unwound when it yielded, with the lock in its hands.
        assert!(second.join().unwrap_err().is::<String>());
        assert_eq!(log.take(), "a");
        assert!(mutex.is_poisoned());
        mutex.clear_poison();
        drop(mutex.try_lock().unwrap());
    });
}

#[test]
fn one_who_was_cancelled_does_not_lock_a_lock_that_is_free() {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let other = mutex.clone();
        let victim = thread::spawn(move || {
            thread::shield(leno::yield_now);
            drop(other.lock());
            unreachable!("it has been cancelled");
        });
        leno::yield_now();
        victim.cancel();
        assert_cancelled(victim);
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_wait_with_a_deadline_ends_then_and_not_before() {
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
fn a_lock_that_is_released_at_the_moment_of_the_deadline_is_not_lost() {
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
            // The clock has ended both waits before anybody runs.
            drop(guard);
            drop(mutex.try_lock().expect("it was not handed over"));
            assert!(!waiter.join().unwrap());
            drop(mutex.try_lock().unwrap());
        });
    }
}

#[test]
fn a_wait_of_no_time_lets_others_have_a_turn() {
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
fn locking_again_what_one_holds_is_a_deadlock() {
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
fn a_guard_that_is_forgotten_is_held_for_ever() {
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
fn outside_a_runtime_everything_works_that_need_not_wait() {
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
fn a_lock_is_handed_over_from_one_runtime_to_another() {
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
fn it_guards_what_has_no_size_and_prints_as_in_std() {
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
fn a_thread_local_can_hold_one() {
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
