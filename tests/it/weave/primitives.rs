//! Every primitive has its executions, no more and no fewer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leno::channel::{bounded, unbounded};
use leno::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore};
use leno::thread::{self, task_group};
use leno::time::{self, Instant};
use leno::weave::{Explorer, FailureKind, explore};
use leno::{green_local, select};

use super::{counts, explored, values};
use crate::support::spawn_each;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lock_excludes_other_threads() {
    // Each thread holds the lock over a switch. The first turn is a choice, and the
    // second thread may run while the lock is held or after its release.
    let program = || {
        let lock = Mutex::new(Vec::new());
        spawn_each(['a', 'b'], |name| {
            let mut guard = lock.lock().unwrap();
            guard.push(name);
            leno::yield_now();
            guard.push(name);
        });
        lock.into_inner().unwrap().into_iter().collect::<String>()
    };
    let report = explored(&Explorer::new(), program);
    assert_eq!(counts(&report), (4, vec![("aabb".to_owned(), 2), ("bbaa".to_owned(), 2)]));
}

#[test]
fn readers_share_a_lock_and_a_writer_does_not() {
    let report = explored(&Explorer::new(), || {
        let lock = RwLock::new(());
        let (readers, most) = (Cell::new(0), Cell::new(0));
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let _guard = lock.read().unwrap();
                    readers.set(readers.get() + 1);
                    most.set(most.get().max(readers.get()));
                    leno::yield_now();
                    readers.set(readers.get() - 1);
                });
            }
            scope.spawn(|| {
                let _guard = lock.write().unwrap();
                assert_eq!(readers.get(), 0);
                leno::yield_now();
                assert_eq!(readers.get(), 0);
            });
        });
        most.get()
    });
    assert_eq!(report.failure(), None);
    assert_eq!(values(&report), [1, 2]);
}

#[test]
fn a_failed_try_lock_does_not_poison() {
    let report = explored(&Explorer::new(), || {
        let lock = Rc::new(Mutex::new(0));
        let others = lock.clone();
        let other = leno::spawn(move || {
            let _guard = others.lock().unwrap();
            leno::yield_now();
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _guard = others.try_lock();
                panic!("with or without the lock");
            }));
        });
        let was_free = lock.try_lock().is_ok();
        leno::yield_now();
        let was_poisoned = lock.lock().is_err();
        other.join().unwrap();
        (was_free, was_poisoned, lock.is_poisoned())
    });
    // The panicking thread already holds the lock, so that `try_lock` fails.
    assert!(report.outcomes().keys().all(|(free, poisoned, _)| *free && !poisoned), "{report}");
}

#[test]
fn messages_of_a_sender_arrive_in_order() {
    let program = |capacity: Option<usize>| {
        move || {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            leno::scope(|scope| {
                let other = sender.clone();
                scope.spawn(move || [1, 2].into_iter().for_each(|one| sender.send(one).unwrap()));
                scope.spawn(move || [3, 4].into_iter().for_each(|one| other.send(one).unwrap()));
                receiver.iter().collect::<Vec<_>>()
            })
        }
    };
    // A sender with room does not wait, so that each sends both messages at once.
    let report = explored(&Explorer::new(), program(None));
    assert_eq!(values(&report), [[1, 2, 3, 4], [3, 4, 1, 2]]);
    for capacity in 0..3 {
        let report = explored(&Explorer::new(), program(Some(capacity)));
        for order in values(&report) {
            let place = |number| order.iter().position(|&other| other == number).unwrap();
            assert!(place(1) < place(2) && place(3) < place(4), "{order:?}");
        }
    }
}

#[test]
fn each_ready_arm_of_a_select_is_a_choice() {
    let program = || {
        let channels: [_; 3] = std::array::from_fn(|_| unbounded());
        channels.iter().for_each(|(sender, _)| sender.send(()).unwrap());
        let [(_, one), (_, two), (_, three)] = &channels;
        select! {
            recv(one) -> _ => 1,
            recv(two) -> _ => 2,
            recv(three) -> _ => 3,
        }
    };
    let report = explored(&Explorer::new(), program);
    assert_eq!(counts(&report), (3, vec![(1, 1), (2, 1), (3, 1)]));
    let schedules: Vec<String> =
        report.outcomes().values().map(|one| one.schedule().to_string()).collect();
    assert_eq!(schedules, ["?0", "?1", "?2"]);
    // A single ready arm is no choice.
    let report = explored(&Explorer::new(), || {
        let (sender, receiver) = unbounded();
        let (_other, never) = unbounded::<()>();
        sender.send(()).unwrap();
        select! {
            recv(receiver) -> _ => 1,
            recv(never) -> _ => 2,
        }
    });
    assert_eq!(counts(&report), (1, vec![(1, 1)]));
}

#[test]
fn sleeps_end_in_the_order_of_deadlines() {
    let program = || {
        let log = RefCell::new(Vec::new());
        let start = Instant::now();
        spawn_each([3, 1, 2], |seconds| {
            leno::sleep(SECOND * seconds);
            log.borrow_mut().push(seconds);
        });
        assert_eq!(start.elapsed(), SECOND * 3);
        log.into_inner()
    };
    // The six orders of the beginnings have the same outcome.
    assert_eq!(counts(&explored(&Explorer::new(), program)), (6, vec![(vec![1, 2, 3], 6)]));
    // Sleepers with the same deadline continue in any order.
    let report = explored(&Explorer::new(), || {
        let log = RefCell::new(String::new());
        spawn_each(['a', 'b'], |name| {
            leno::sleep(SECOND);
            log.borrow_mut().push(name);
        });
        log.into_inner()
    });
    assert_eq!(counts(&report), (4, vec![("ab".to_owned(), 2), ("ba".to_owned(), 2)]));
}

#[test]
fn timed_exploration_explores_expired_timeouts() {
    let program = || {
        let (sender, receiver) = bounded(1);
        leno::spawn(move || {
            leno::yield_now();
            let _ = sender.send(());
        });
        receiver.recv_timeout(SECOND).is_ok()
    };
    assert_eq!(counts(&explored(&Explorer::new(), program)), (1, vec![(true, 1)]));
    let report = explored(&Explorer::new().timed(), program);
    assert_eq!(values(&report), [false, true]);
    assert_eq!(report.outcomes()[&false].schedule().to_string(), "timed: A1 ~1 A1");

    let program = || time::timeout(SECOND, || leno::yield_now()).is_ok();
    assert_eq!(counts(&explored(&Explorer::new(), program)), (1, vec![(true, 1)]));
    let report = explored(&Explorer::new().timed(), program);
    assert_eq!(counts(&report), (2, vec![(false, 1), (true, 1)]));
}

#[test]
fn a_cancellation_happens_at_every_point() {
    let report = explored(&Explorer::new(), || {
        let done = Rc::new(Cell::new(0));
        let counted = done.clone();
        let worker = leno::spawn(move || {
            for _ in 0..3 {
                counted.set(counted.get() + 1);
                leno::yield_now();
            }
        });
        let other = leno::spawn({
            let worker = worker.thread().clone();
            move || worker.cancel()
        });
        other.join().unwrap();
        (done.get(), worker.join().is_ok())
    });
    // Before the beginning, at each yield, and after the end.
    let expected = [(0, false), (1, false), (2, false), (3, false), (3, true)];
    assert_eq!(values(&report), expected);
}

#[test]
fn a_join_ends_after_the_joined_thread() {
    let report = explored(&Explorer::new(), || {
        let log = Rc::new(RefCell::new(String::new()));
        let spawn = |name| {
            let log = log.clone();
            leno::spawn(move || log.borrow_mut().push(name))
        };
        let (a, b) = (spawn('a'), spawn('b'));
        a.join().unwrap();
        log.borrow_mut().push('|');
        b.join().unwrap();
        log.take()
    });
    assert_eq!(values(&report), ["ab|", "a|b", "ba|"]);
}

#[test]
fn scopes_nest() {
    let report = explored(&Explorer::new(), || {
        let log = RefCell::new(String::new());
        let push = |name| log.borrow_mut().push(name);
        leno::scope(|outer| {
            outer.spawn(|| {
                leno::scope(|inner| {
                    inner.spawn(|| push('a'));
                    inner.spawn(|| push('b'));
                });
                push('|');
            });
            outer.spawn(|| push('c'));
        });
        log.into_inner()
    });
    let outcomes = values(&report);
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
    assert!(outcomes.iter().all(|text| text.find('|') > text.find('a')), "{outcomes:?}");
}

#[test]
fn green_locals_are_new_in_each_execution() {
    green_local! {
        static COUNT: Cell<u32> = Cell::new(0);
    }
    let report = explored(&Explorer::new(), || {
        let count = || {
            COUNT.set(COUNT.get() + 1);
            leno::yield_now();
            COUNT.get()
        };
        let threads = [leno::spawn(count), leno::spawn(count)];
        (count(), threads.map(|thread| thread.join().unwrap()))
    });
    assert_eq!(values(&report), [(1, [1, 1])]);
}

#[test]
fn a_task_group_returns_the_first_error() {
    let report = explored(&Explorer::new(), || {
        let result = task_group(|group| {
            for number in [1, 2] {
                group.spawn(move || {
                    leno::yield_now();
                    Err::<(), _>(number)
                });
            }
            group.spawn(|| {
                leno::yield_now();
                Ok(())
            });
            Ok(())
        });
        result.unwrap_err()
    });
    assert_eq!(values(&report), [1, 2]);
    assert_eq!(report.failure(), None);
}

#[test]
fn threads_leave_a_barrier_in_any_order() {
    let meet = |wait: fn(&Barrier)| {
        move || {
            let barrier = Barrier::new(2);
            let log = RefCell::new(String::new());
            spawn_each(['a', 'b'], |name| {
                wait(&barrier);
                log.borrow_mut().push(name);
            });
            log.into_inner()
        }
    };
    // The last thread to arrive does not wait.
    let report = explored(&Explorer::new(), meet(|barrier| _ = barrier.wait()));
    assert_eq!(counts(&report), (2, vec![("ab".to_owned(), 1), ("ba".to_owned(), 1)]));
    let report = explored(&Explorer::new(), meet(|_| ()));
    assert_eq!(report.executions(), 2);
}

#[test]
fn an_early_notification_is_lost() {
    let program = || {
        let (lock, condvar, event) = (Mutex::new(()), Condvar::new(), Event::new());
        leno::scope(|scope| {
            scope.spawn(|| {
                let guard = lock.lock().unwrap();
                drop(condvar.wait(guard));
            });
            scope.spawn(|| {
                condvar.notify_one();
                event.set();
            });
            event.wait();
        });
    };
    let report = explored(&Explorer::new(), program);
    let failure = report.failure().unwrap();
    assert_eq!(failure.kind(), FailureKind::Deadlock);
    assert_eq!(failure.schedule().to_string(), "B1 A1", "{report}");
    assert!(failure.message().contains("a notification of a condvar"), "{}", failure.message());
}

#[test]
fn permits_are_granted_in_every_order() {
    let report = explored(&Explorer::new(), || {
        let semaphore = Semaphore::new(1);
        let log = RefCell::new(String::new());
        spawn_each(['a', 'b', 'c'], |name| {
            let _permit = semaphore.acquire().unwrap();
            log.borrow_mut().push(name);
            leno::yield_now();
        });
        log.into_inner()
    });
    assert_eq!(report.outcomes().len(), 6);
    assert_eq!(report.failure(), None);
}

#[test]
fn an_early_unpark_is_kept() {
    let report = explore(|| {
        let parked = leno::spawn(thread::park);
        let other = parked.thread().clone();
        leno::spawn(move || other.unpark());
        parked.join().is_ok()
    });
    assert_eq!((report.executions(), report.failure()), (2, None), "{report}");
}
