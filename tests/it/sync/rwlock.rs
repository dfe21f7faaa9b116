//! Read-write locks.

use std::rc::Rc;

use leno::Policy;
use leno::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, Instant, sleep};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::panic_text;

/// Spawns a green thread that takes the lock, to read if its name begins with `r`,
/// writes its name, and writes it again just before it releases the lock, five turns
/// later.
fn user(lock: &Rc<RwLock<i32>>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (lock, log) = (lock.clone(), log.clone());
    thread::spawn(move || {
        let work = || {
            log.write(name);
            (0..5).for_each(|_| leno::yield_now());
            log.write(format!("/{name}"));
        };
        if name.starts_with('r') {
            let _guard = lock.read().unwrap();
            work();
        } else {
            let _guard = lock.write().unwrap();
            work();
        }
    })
}

#[test]
fn readers_share_and_writers_do_not() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let all = ["r1", "r2", "w1", "w2"].map(|name| user(&lock, &log, name));
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(log.take(), "r1 r2 /r1 /r2 w1 /w1 w2 /w2");
    });
}

#[test]
fn waiters_are_served_in_order_and_readers_together() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let guard = lock.write().unwrap();
        let names = ["r1", "r2", "w1", "r3", "r4", "w2", "w3", "r5"];
        let all = names.map(|name| user(&lock, &log, name));
        settle();
        assert_eq!(log.take(), "");
        drop(guard);
        all.into_iter().for_each(|one| one.join().unwrap());
        let expected = "r1 r2 /r1 /r2 w1 /w1 r3 r4 /r3 /r4 w2 /w2 w3 /w3 r5 /r5";
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_reader_queues_behind_a_waiting_writer() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let guard = lock.read().unwrap();
        let writer = user(&lock, &log, "w");
        settle();
        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
        let reader = user(&lock, &log, "r");
        settle();
        assert_eq!(log.take(), "");
        drop(guard);
        // Both waiters come before a new lock.
        assert!(lock.try_read().is_err() && lock.try_write().is_err());
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(log.take(), "w /w r /r");
    });
}

#[test]
fn a_writer_that_stops_waiting_lets_readers_through() {
    for cancel in [true, false] {
        run(|| {
            let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
            let guard = lock.read().unwrap();
            let other = lock.clone();
            let writer = thread::spawn(move || {
                assert!(other.write_timeout(SECOND).is_err());
                thread::park();
            });
            leno::yield_now();
            let readers = ["r1", "r2"].map(|name| user(&lock, &log, name));
            settle();
            assert_eq!(log.take(), "");
            if cancel {
                writer.cancel();
            }
            sleep(2 * SECOND);
            assert_eq!(log.take(), "r1 r2 /r1 /r2");
            writer.cancel();
            assert_cancelled(writer);
            readers.into_iter().for_each(|one| one.join().unwrap());
            drop(guard);
            assert!(!lock.is_poisoned());
            drop(lock.try_write().unwrap());
        });
    }
}

#[test]
fn cancelled_waiters_are_passed_over() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let guard = lock.write().unwrap();
        let [one, two, three] = ["w1", "r1", "w2"].map(|name| user(&lock, &log, name));
        settle();
        one.cancel();
        two.cancel();
        drop(guard);
        three.join().unwrap();
        assert_eq!(log.take(), "w2 /w2");
        [one, two].into_iter().for_each(assert_cancelled);
        drop(lock.try_write().unwrap());
    });
}

#[test]
fn a_holder_cancelled_after_the_hand_over_releases_the_lock() {
    for name in ["w", "r"] {
        run(|| {
            let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
            let guard = lock.write().unwrap();
            let one = user(&lock, &log, name);
            settle();
            drop(guard);
            one.cancel();
            assert!(lock.try_write().is_err());
            assert_cancelled(one);
            assert_eq!(log.take(), name);
            assert_eq!(lock.is_poisoned(), name == "w");
            lock.clear_poison();
            drop(lock.try_write().unwrap());
        });
    }
}

#[test]
fn timed_locks_end_at_their_deadlines() {
    run(|| {
        let lock = Rc::new(RwLock::new(0));
        let start = Instant::now();
        let guard = lock.write().unwrap();
        assert!(matches!(lock.read_timeout(SECOND), Err(TryLockError::WouldBlock)));
        assert!(matches!(lock.write_timeout(SECOND), Err(TryLockError::WouldBlock)));
        assert!(matches!(lock.write_timeout(Duration::ZERO), Err(TryLockError::WouldBlock)));
        assert_eq!(start.elapsed(), 2 * SECOND);
        let other = lock.clone();
        let reader = thread::spawn(move || *other.read_timeout(Duration::MAX).unwrap());
        let other = lock.clone();
        let writer = thread::spawn(move || *other.write_timeout(5 * SECOND).unwrap() += 1);
        sleep(SECOND);
        drop(guard);
        assert_eq!(reader.join().unwrap(), 0);
        writer.join().unwrap();
        assert_eq!(*lock.read().unwrap(), 1);
    });
}

#[test]
fn a_downgrade_lets_waiting_readers_in() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let mut guard = lock.write().unwrap();
        let all = ["r1", "r2", "w", "r3"].map(|name| user(&lock, &log, name));
        settle();
        *guard = 5;
        let guard = RwLockWriteGuard::downgrade(guard);
        settle();
        assert_eq!(log.take(), "r1 r2 /r1 /r2");
        assert_eq!(*guard, 5);
        drop(guard);
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(log.take(), "w /w r3 /r3");
        drop(lock.try_write().unwrap());
    });
}

#[test]
fn a_downgrade_keeps_readers_behind_a_waiting_writer() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let guard = lock.write().unwrap();
        let all = ["w", "r"].map(|name| user(&lock, &log, name));
        settle();
        let guard = RwLockWriteGuard::downgrade(guard);
        settle();
        assert_eq!((log.take(), *guard), (String::new(), 0));
        drop(guard);
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(log.take(), "w /w r /r");
    });
}

#[test]
fn reading_twice_around_a_waiting_writer_is_a_deadlock() {
    let text = panic_text(|| {
        leno::run(|| {
            let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
            let _guard = lock.read().unwrap();
            let _writer = user(&lock, &log, "w");
            leno::yield_now();
            let _again = lock.read();
        })
    });
    assert!(text.contains("read-write lock"), "{text}");
}

#[test]
fn a_writer_excludes_readers_and_writers() {
    for seed in 0..50 {
        leno::Builder::new().policy(Policy::random(seed)).run(|| {
            let lock = RwLock::new((0, 0));
            leno::scope(|scope| {
                for user in 0..6 {
                    let lock = &lock;
                    scope.spawn(move || {
                        for round in 0..4 {
                            if (user + round) % 3 == 0 {
                                let mut pair = lock.write().unwrap();
                                pair.0 += 1;
                                leno::yield_now();
                                pair.1 += 1;
                            } else {
                                let pair = lock.read().unwrap();
                                let before = *pair;
                                leno::yield_now();
                                assert_eq!((*pair, pair.0), (before, pair.1));
                            }
                        }
                    });
                }
            });
            let writes = (0..6).flat_map(|user| (0..4).map(move |round| (user + round) % 3));
            let writes = writes.filter(|&rest| rest == 0).count();
            assert_eq!(lock.into_inner().unwrap(), (writes, writes));
        });
    }
}

#[test]
fn a_rwlock_needs_a_runtime_only_to_wait() {
    let mut lock = RwLock::new(1);
    lock.set_name("config");
    *lock.write().unwrap() += 1;
    *lock.get_mut().unwrap() += 1;
    let (one, other) = (lock.read().unwrap(), lock.try_read().unwrap());
    assert_eq!(*one + *other, 6);
    assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
    let text = panic_text(|| drop(lock.write()));
    assert_eq!(text, "RwLock::write needs a runtime: call it from inside leno::run");
    drop((one, other));
    let guard = lock.try_write().unwrap();
    assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
    let std = std::sync::RwLock::new(3);
    let std_guard = std.write().unwrap();
    assert_eq!(format!("{lock:?}"), format!("{std:?}"));
    drop((guard, std_guard));
    assert_eq!(format!("{lock:?}"), format!("{std:?}"));
    assert_eq!(lock.into_inner().unwrap(), 3);
}

#[test]
fn a_read_guard_shortens_the_lifetimes_inside() {
    fn longer<'a>(guard: RwLockReadGuard<'_, &'a str>, other: &'a str) -> &'a str {
        if guard.len() > other.len() { *guard } else { other }
    }
    let lock = RwLock::new("for the whole test");
    {
        let text = String::from("for the block");
        assert_eq!(longer(lock.read().unwrap(), &text), "for the whole test");
    }
    assert_eq!(*lock.into_inner().unwrap(), *"for the whole test");
}
