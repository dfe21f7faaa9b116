//! In a preemptive exploration, other threads may run before each operation of a
//! primitive, and partial-order reduction loses no outcome of that.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use leno::channel::{self, bounded, unbounded};
use leno::select;
use leno::sync::{
    Barrier, Condvar, Event, Mutex, Once, OnceLock, RwLock, Semaphore, WaitGroup, mpsc,
};
use leno::thread;
use leno::weave::{Explorer, Report};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the outcomes of a preemptive exploration.
#[track_caller]
fn found<T: Ord + Clone + std::fmt::Debug>(program: impl Fn() -> T) -> Vec<T> {
    found_by(&Explorer::new().preemptive(), program)
}

/// Returns the outcomes. Checks that partial-order reduction finds the same outcomes
/// in at most as many executions.
#[track_caller]
fn found_by<T: Ord + Clone + std::fmt::Debug>(
    explorer: &Explorer,
    program: impl Fn() -> T,
) -> Vec<T> {
    let values = |report: Report<T>| {
        assert!(report.is_complete() && report.failure().is_none(), "{report}");
        (report.executions(), super::values(&report))
    };
    let (all, found) = values(explorer.explore(&program));
    let (reduced, found_reduced) = values(explorer.clone().reduced().explore(&program));
    assert_eq!(found, found_reduced, "the reduced exploration has other outcomes");
    assert!(reduced <= all, "{reduced} of {all}");
    found
}

/// Runs both functions concurrently, and returns the result of the second.
fn beside<T>(first: impl FnOnce(), second: impl FnOnce() -> T) -> T {
    leno::scope(|scope| {
        scope.spawn(first);
        scope.spawn(second).join().unwrap()
    })
}

fn panic_holding<G>(guard: G) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        let _guard = guard;
        panic::resume_unwind(Box::new("while it has the lock"));
    }));
}

#[test]
fn a_mutex_is_tried_while_held_and_free() {
    let held = found(|| {
        let lock = Mutex::new(());
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| drop(lock.lock().unwrap()));
            }
            scope.spawn(|| lock.try_lock().is_err()).join().unwrap()
        })
    });
    assert_eq!(held, [false, true]);
}

#[test]
fn poison_may_be_cleared_between_locking_and_checking() {
    let found = found(|| {
        let lock = Mutex::new(());
        leno::scope(|scope| {
            scope.spawn(|| panic_holding(lock.lock()));
            scope.spawn(|| lock.clear_poison());
            let poisoned = scope.spawn(|| lock.lock().is_err()).join().unwrap();
            (poisoned, lock.is_poisoned())
        })
    });
    // The reader comes before or after the panic; the clearing comes before, between
    // or after.
    assert_eq!(found, [(false, false), (false, true), (true, false), (true, true)]);
}

#[test]
fn a_notification_comes_before_the_wait_or_during_it() {
    let program = || {
        let (lock, changed) = (Mutex::new(0), Condvar::new());
        beside(
            || {
                *lock.lock().unwrap() += 1;
                changed.notify_one();
            },
            || {
                let guard = lock.lock().unwrap();
                let before = *guard;
                let (guard, result) = changed.wait_timeout(guard, SECOND).unwrap();
                (before, *guard, result.timed_out())
            },
        )
    };
    assert_eq!(found(program), [(0, 1, false), (1, 1, false), (1, 1, true)]);
}

#[test]
fn a_notification_without_the_lock_may_be_too_early() {
    let program = || {
        let (lock, changed) = (Mutex::new(()), Condvar::new());
        let wait = || changed.wait_timeout(lock.lock().unwrap(), SECOND).unwrap().1.timed_out();
        beside(|| changed.notify_one(), wait)
    };
    assert_eq!(found(program), [false, true]);
}

#[test]
fn releasing_the_lock_and_waiting_is_atomic() {
    // Otherwise the notification is lost, and the wait never ends.
    let program = || {
        let (lock, changed) = (Mutex::new(false), Condvar::new());
        beside(
            || {
                *lock.lock().unwrap() = true;
                changed.notify_all();
            },
            || *changed.wait_while(lock.lock().unwrap(), |set| !*set).unwrap(),
        )
    };
    assert_eq!(found(program), [true]);
}

#[test]
fn readers_and_a_writer_run_in_every_order() {
    let program = || {
        let lock = RwLock::new(0);
        let lock = &lock;
        leno::scope(|scope| {
            let readers = [(); 2].map(|()| scope.spawn(|| *lock.read().unwrap()));
            scope.spawn(|| *lock.write().unwrap() = 1);
            let both = scope.spawn(|| {
                let _reader = lock.try_read();
                lock.try_write().is_ok()
            });
            let read = readers.map(|reader| reader.join().unwrap());
            (read, both.join().unwrap())
        })
    };
    let found = found(program);
    for read in [[0, 0], [0, 1], [1, 0], [1, 1]] {
        assert!(found.contains(&(read, false)), "{found:?}");
    }
    // The thread's own read lock excludes the write lock, unless the writer held the
    // lock just before.
    assert!(found.iter().any(|(_, wrote)| *wrote), "{found:?}");
}

#[test]
fn a_downgrade_admits_no_other_writer() {
    let program = || {
        let lock = RwLock::new(0);
        beside(
            || *lock.write().unwrap() += 10,
            || {
                let mut writer = lock.write().unwrap();
                *writer += 1;
                let written = *writer;
                (written, *leno::sync::RwLockWriteGuard::downgrade(writer))
            },
        )
    };
    assert_eq!(found(program), [(1, 1), (11, 11)]);
}

#[test]
fn a_waiter_may_time_out_before_the_next_waiter() {
    let program = || {
        let permits = Semaphore::new(1);
        leno::scope(|scope| {
            let many = scope.spawn(|| permits.acquire_many_timeout(2, SECOND).is_ok());
            let one = scope.spawn(|| permits.acquire().is_ok());
            let tried = scope.spawn(|| permits.try_acquire().is_ok());
            (many.join().unwrap(), one.join().unwrap(), tried.join().unwrap())
        })
    };
    assert_eq!(found(program), [(false, true, false), (false, true, true)]);
}

#[test]
fn permits_of_a_timed_out_waiter_reach_the_next() {
    let program = || {
        let permits = Semaphore::new(1);
        leno::scope(|scope| {
            scope.spawn(|| permits.acquire_many_timeout(2, SECOND).is_ok());
            thread::sleep(SECOND / 2);
            scope.spawn(|| permits.acquire().unwrap().forget());
            thread::sleep(SECOND / 2);
            permits.available_permits()
        })
    };
    assert_eq!(found(program), [0, 1]);
}

#[test]
fn closing_a_semaphore_races_with_a_wait() {
    let program = || {
        let permits = Semaphore::new(0);
        leno::scope(|scope| {
            scope.spawn(|| permits.add_permits(1));
            scope.spawn(|| permits.close());
            scope.spawn(|| permits.acquire().is_ok()).join().unwrap()
        })
    };
    assert_eq!(found(program), [false, true]);
}

#[test]
fn an_event_is_set_and_reset_around_a_wait() {
    let program = || {
        let event = Event::new();
        beside(
            || {
                event.set();
                event.reset();
            },
            || (event.wait_timeout(SECOND).is_ok(), event.is_set()),
        )
    };
    // Too late, woken by `set`, or looking while the event is set.
    assert_eq!(found(program), [(false, false), (true, false), (true, true)]);
}

#[test]
fn any_thread_may_lead_a_barrier() {
    let program = || {
        let barrier = Barrier::new(2);
        let meet = || barrier.wait().is_leader();
        leno::scope(|scope| [(); 2].map(|()| scope.spawn(meet)).map(|one| one.join().unwrap()))
    };
    assert_eq!(found(program), [[false, true], [true, false]]);
}

#[test]
fn the_first_thread_initialises_the_value() {
    let program = || {
        let (value, once) = (OnceLock::new(), Once::new());
        leno::scope(|scope| {
            let make = |number| {
                once.call_once(|| drop(Mutex::new(()).lock()));
                *value.get_or_init(|| {
                    // Other threads run during the initialisation.
                    drop(Mutex::new(()).lock());
                    number
                })
            };
            let made = scope.spawn(move || make(1));
            let set = scope.spawn(|| value.set(2).is_ok());
            let seen = scope.spawn(|| (once.is_completed(), value.get().copied()));
            (made.join().unwrap(), set.join().unwrap(), seen.join().unwrap())
        })
    };
    let found = found(program);
    for (made, set) in [(1, false), (2, true)] {
        for seen in [(false, None), (true, None), (true, Some(made))] {
            assert!(found.contains(&(made, set, seen)), "{seen:?} is not in {found:?}");
        }
    }
    assert!(found.iter().all(|(made, set, _)| (*made == 2) == *set), "{found:?}");
}

#[test]
fn a_wait_group_member_may_wait_again() {
    let program = || {
        let group = WaitGroup::new();
        let (one, other) = (group.clone(), group.clone());
        thread::spawn(move || drop(one.clone()));
        let waits = thread::spawn(move || match other.wait_timeout(SECOND) {
            Ok(()) => "in time",
            Err(again) => {
                again.wait();
                "again"
            }
        });
        thread::sleep(2 * SECOND);
        drop(group);
        waits.join().unwrap()
    };
    assert_eq!(found(program), ["again"]);
    let program = || {
        let group = WaitGroup::new();
        let members = [group.clone(), group.clone()];
        let waits = thread::spawn(move || group.wait());
        for member in members {
            thread::spawn(move || drop(member));
        }
        let early = waits.is_finished();
        waits.join().unwrap();
        early
    };
    assert_eq!(found(program), [false, true]);
}

#[test]
fn a_channel_is_inspected_around_each_message() {
    let program = || {
        let (sender, receiver) = bounded(1);
        leno::scope(|scope| {
            scope.spawn(move || (1..=2).for_each(|number| sender.send(number).unwrap()));
            let looks = receiver.clone();
            let seen = scope.spawn(move || (looks.len(), looks.is_full()));
            let got = [receiver.recv(), receiver.recv()];
            assert_eq!(got, [Ok(1), Ok(2)]);
            (seen.join().unwrap(), receiver.try_recv().is_err())
        })
    };
    let found = found(program);
    let expected = [(0, false), (0, true), (1, false), (1, true)];
    assert_eq!(found, expected.map(|seen| (seen, true)));
}

#[test]
fn any_sender_may_be_dropped_last() {
    let program = || {
        let (sender, receiver) = unbounded::<u32>();
        let other = sender.clone();
        let seen = Rc::new(Event::new());
        let too = seen.clone();
        thread::spawn(move || {
            drop(sender);
            too.set();
        });
        thread::spawn(move || drop(other));
        let was_seen = seen.is_set();
        (was_seen, receiver.try_recv() == Err(channel::TryRecvError::Disconnected))
    };
    assert_eq!(found(program), [(false, false), (false, true), (true, false), (true, true)]);
}

#[test]
fn a_waiting_receiver_is_disconnected() {
    let program = || {
        let (sender, receiver) = mpsc::channel();
        let other = sender.clone();
        thread::spawn(move || drop(other.clone()));
        thread::spawn(move || sender.send(1).unwrap());
        (receiver.recv().ok(), receiver.recv().ok(), receiver.try_recv().ok())
    };
    assert_eq!(found(program), [(Some(1), None, None)]);
}

#[test]
fn a_message_without_a_receiver_is_refused() {
    let program = || {
        let (sender, receiver) = mpsc::sync_channel(0);
        thread::spawn(move || drop(receiver));
        (sender.try_send(1).is_err(), sender.send(2).is_err())
    };
    assert_eq!(found(program), [(true, true)]);
    let program = || {
        let (sender, receiver) = bounded(1);
        thread::spawn(move || drop(receiver));
        sender.send(1).is_ok()
    };
    assert_eq!(found(program), [false, true]);
}

#[test]
fn a_select_takes_any_ready_case() {
    let program = || {
        let (one, receive_one) = bounded(1);
        let (two, receive_two) = bounded(1);
        let (full, _receiver) = bounded(0);
        // The result depends on whether the receiver still exists.
        thread::spawn(move || one.send(1).is_ok());
        thread::spawn(move || two.send(2).is_ok());
        select! {
            recv(receive_one) -> got => got.unwrap_or(0),
            recv(receive_two) -> got => got.unwrap_or(0),
            send(full, 0) -> _ => unreachable!("no thread receives"),
            default => 3,
        }
    };
    // 0 would mean that a sender was dropped before it sent.
    assert_eq!(found(program), [1, 2, 3]);
}

#[test]
fn one_message_of_a_timer_is_received_once() {
    let program = || {
        let timer = channel::after(SECOND);
        let other = timer.clone();
        let tries = thread::spawn(move || {
            thread::sleep(SECOND);
            other.try_recv().is_ok()
        });
        let got = timer.recv_timeout(2 * SECOND).is_ok();
        (got, tries.join().unwrap())
    };
    assert_eq!(found(program), [(false, true), (true, false)]);
}

#[test]
fn a_deadline_comes_before_the_lock_or_after() {
    let program = || {
        let lock = Mutex::new(());
        beside(
            || {
                let _guard = lock.lock().unwrap();
                leno::yield_now();
            },
            || lock.lock_timeout(SECOND).is_ok(),
        )
    };
    assert_eq!(found(program), [true]);
    assert_eq!(found_by(&Explorer::new().preemptive().timed(), program), [false, true]);
}

#[test]
fn any_task_may_fail_first() {
    let program = || {
        thread::task_group(|group| {
            group.spawn(|| Err::<(), _>(1));
            group.spawn(|| Err::<(), _>(2));
            if group.is_empty() { Err(3) } else { Ok(()) }
        })
    };
    assert_eq!(found(program), [Err(1), Err(2)]);
    let program = || {
        let mut left = 0;
        let ended = thread::task_group(|group| {
            group.spawn(|| Ok::<_, ()>(()));
            group.spawn(|| Ok::<_, ()>(()));
            left = group.len();
            group.cancel();
            Ok(())
        });
        (left, ended)
    };
    assert_eq!(found(program), [(0, Ok(())), (1, Ok(())), (2, Ok(()))]);
}
