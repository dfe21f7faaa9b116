//! One of several green threads is cancelled at every step, in many orders of
//! execution. Nothing is lost, and all others finish.

use std::cell::Cell;
use std::rc::Rc;

use leno::Policy;
use leno::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore};
use leno::thread::{self, JoinHandle};

use super::{OnDrop, SECOND};

/// Runs `scene` for each number of turns before the cancellation, under FIFO and fifty
/// random policies.
fn at_each_moment(scene: impl Fn(&dyn Fn(&JoinHandle<()>))) {
    for turns in 0..20 {
        let policies = (0..50).map(Policy::random).chain([Policy::fifo()]);
        for policy in policies {
            leno::Builder::new().virtual_time().policy(policy).run(|| {
                scene(&|victim| {
                    (0..turns).for_each(|_| leno::yield_now());
                    victim.cancel();
                });
            });
        }
    }
}

fn all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) {
    for handle in handles {
        assert!(handle.join().is_ok(), "only the victim was cancelled");
    }
}

fn recover<T>(result: Result<T, leno::sync::PoisonError<T>>) -> T {
    result.unwrap_or_else(|error| error.into_inner())
}

#[test]
fn a_mutex_is_free_after_cancellation() {
    at_each_moment(|cancel| {
        let shared = Rc::new((Mutex::new(()), Cell::new(0)));
        let spawn = || {
            let shared = shared.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let _guard = recover(shared.0.lock());
                    assert_eq!(shared.1.replace(1), 0, "one lock holder at a time");
                    let inside = shared.clone();
                    let _out = OnDrop(move || inside.1.set(0));
                    leno::yield_now();
                }
            })
        };
        let (one, victim, other) = (spawn(), spawn(), spawn());
        cancel(&victim);
        all([one, other]);
        let _ = victim.join();
        assert!(!matches!(shared.0.try_lock(), Err(leno::sync::TryLockError::WouldBlock)));
    });
}

#[test]
fn a_rwlock_is_free_after_cancellation() {
    for writes in [true, false] {
        at_each_moment(|cancel| {
            let lock = Rc::new(RwLock::new(0));
            let spawn = |writes: bool| {
                let lock = lock.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        if writes {
                            let mut value = recover(lock.write());
                            let before = *value;
                            leno::yield_now();
                            *value = before + 1;
                        } else {
                            let value = recover(lock.read());
                            let before = *value;
                            leno::yield_now();
                            assert_eq!(*value, before);
                        }
                    }
                })
            };
            let (one, victim, other, last) =
                (spawn(false), spawn(writes), spawn(false), spawn(true));
            cancel(&victim);
            all([one, other, last]);
            let _ = victim.join();
            lock.clear_poison();
            assert!(*lock.try_write().expect("the lock is free") >= 2);
        });
    }
}

#[test]
fn all_permits_return_after_cancellation() {
    at_each_moment(|cancel| {
        let semaphore = Rc::new(Semaphore::new(3));
        let spawn = |count| {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let _permits = semaphore.acquire_many(count).unwrap();
                    leno::yield_now();
                }
            })
        };
        let (one, victim, other, last) = (spawn(2), spawn(3), spawn(1), spawn(2));
        cancel(&victim);
        all([one, other, last]);
        let _ = victim.join();
        assert_eq!(semaphore.available_permits(), 3);
    });
}

/// There is one notification for each item. A cancelled green thread has either taken
/// its item or left both to the others.
#[test]
fn no_notification_is_lost() {
    at_each_moment(|cancel| {
        let shared = Rc::new((Mutex::new(0), Condvar::new(), Cell::new(0)));
        let spawn = || {
            let shared = shared.clone();
            thread::spawn(move || {
                let (things, more, taken) = &*shared;
                let condition = |things: &mut i32| *things == 0;
                let mut things = recover(more.wait_while(recover(things.lock()), condition));
                *things -= 1;
                taken.set(taken.get() + 1);
            })
        };
        let (one, victim, other) = (spawn(), spawn(), spawn());
        let maker = shared.clone();
        let maker = thread::spawn(move || {
            for _ in 0..2 {
                leno::yield_now();
                *recover(maker.0.lock()) += 1;
                maker.1.notify_one();
            }
        });
        cancel(&victim);
        maker.join().unwrap();
        // If the victim took an item, the other two need one more.
        let took = victim.join().is_ok();
        if took {
            *recover(shared.0.lock()) += 1;
            shared.1.notify_one();
        }
        all([one, other]);
        assert_eq!(shared.2.get(), 2 + i32::from(took));
        assert!(!shared.0.is_poisoned());
    });
}

#[test]
fn a_barrier_counts_no_cancelled_waiter() {
    at_each_moment(|cancel| {
        let shared = Rc::new((Barrier::new(3), Cell::new(0)));
        let spawn = || {
            let shared = shared.clone();
            thread::spawn(move || {
                leno::yield_now();
                shared.0.wait();
                shared.1.set(shared.1.get() + 1);
            })
        };
        let (one, victim, other) = (spawn(), spawn(), spawn());
        cancel(&victim);
        let met = victim.join().is_ok();
        if !met {
            leno::sleep(SECOND);
            assert_eq!(shared.1.get(), 0, "two green threads are too few");
            shared.0.wait();
        }
        all([one, other]);
        assert_eq!(shared.1.get(), 2 + i32::from(met));
    });
}

#[test]
fn an_event_wakes_the_others_after_cancellation() {
    at_each_moment(|cancel| {
        let event = Rc::new(Event::new());
        let spawn = || {
            let event = event.clone();
            thread::spawn(move || event.wait())
        };
        let (one, victim, other) = (spawn(), spawn(), spawn());
        let setter = event.clone();
        let setter = thread::spawn(move || {
            (0..3).for_each(|_| leno::yield_now());
            setter.set();
            setter.reset();
            setter.set();
        });
        cancel(&victim);
        all([one, other, setter]);
        let _ = victim.join();
    });
}
