//! Events from outside a task group: cancellation, deadlines, shields, panics, a
//! deadlock.

use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;

use leno::thread::{self, Builder, Cancelled, task_group};
use leno::time::{Elapsed, Instant, sleep, timeout};

use crate::support::{Ledger, OnDrop, SECOND, in_virtual_time, panic_text, text_of};

#[test]
fn cancelling_the_green_thread_of_a_group_cancels_its_tasks() {
    // The thread is cancelled in the body, or where the group waits for its tasks.
    for body_waits in [true, false] {
        in_virtual_time(|| {
            let ledger = Ledger::default();
            let values = ledger.clone();
            let handle = leno::spawn(move || {
                let value = values.value();
                let _: Result<(), ()> = task_group(|group| {
                    for _ in 0..3 {
                        let value = values.value();
                        group.spawn(move || {
                            let _value = value;
                            // The cancelled thread waits for the destructors of its
                            // tasks.
                            let _slow = OnDrop(|| sleep(SECOND));
                            thread::park();
                            Ok(())
                        });
                    }
                    if body_waits {
                        thread::park();
                    }
                    Ok(())
                });
                drop(value);
                unreachable!("the unwinding goes on")
            });
            sleep(SECOND);
            let start = Instant::now();
            handle.cancel();
            let result: thread::Result<()> = handle.join();
            assert!(result.unwrap_err().is::<Cancelled>());
            assert_eq!((start.elapsed(), ledger.made()), (SECOND, 4));
            ledger.check();
        });
    }
}

#[test]
fn a_deadline_around_a_group_ends_it() {
    for body_waits in [true, false] {
        in_virtual_time(|| {
            let (ledger, start) = (Ledger::default(), Instant::now());
            let result = timeout(SECOND, || {
                task_group(|group| -> Result<(), ()> {
                    let value = ledger.value();
                    group.spawn(move || {
                        let _value = value;
                        thread::park();
                        Ok(())
                    });
                    if body_waits {
                        thread::park();
                    }
                    Ok(())
                })
            });
            assert_eq!((result, start.elapsed()), (Err(Elapsed), SECOND));
            ledger.check();
            // The elapsed deadline does not end later waits.
            sleep(SECOND);
        });
    }
}

#[test]
fn a_deadline_and_a_group_failure_are_told_apart() {
    in_virtual_time(|| {
        // The group fails while a deadline scope inside it runs.
        let result: Result<Result<(), Elapsed>, &str> = task_group(|group| {
            group.spawn(|| -> Result<(), _> {
                sleep(SECOND);
                Err("failed")
            });
            Ok(timeout(5 * SECOND, thread::park))
        });
        assert_eq!(result, Err("failed"));
        // If the deadline comes first, the group goes on.
        let result: Result<Result<(), Elapsed>, &str> =
            task_group(|_| Ok(timeout(SECOND, thread::park)));
        assert_eq!(result, Ok(Err(Elapsed)));
        // At the same instant, the outer of the two ends.
        let result = timeout(SECOND, || {
            task_group(|group| -> Result<(), &str> {
                group.spawn(|| -> Result<(), _> {
                    sleep(SECOND);
                    Err("failed")
                });
                thread::shield(|| sleep(2 * SECOND));
                thread::park();
                Ok(())
            })
        });
        assert_eq!(result, Err(Elapsed));
    });
}

#[test]
fn shields_protect_from_outer_groups_only() {
    in_virtual_time(|| {
        let inside: Result<(), u8> = thread::shield(|| {
            task_group(|group| {
                group.spawn(|| -> Result<(), _> { Err(1) });
                thread::park();
                Ok(())
            })
        });
        assert_eq!(inside, Err(1));
        let (saved, start) = (Cell::new(false), Instant::now());
        let around: Result<(), u8> = task_group(|group| {
            group.spawn(|| {
                thread::shield(|| {
                    sleep(3 * SECOND);
                    saved.set(true);
                });
                thread::park();
                Ok(())
            });
            leno::yield_now();
            Err(2)
        });
        assert_eq!((around, saved.get(), start.elapsed()), (Err(2), true, 3 * SECOND));
    });
}

#[test]
fn a_failure_during_cancellation_does_not_replace_it() {
    in_virtual_time(|| {
        let handle = leno::spawn(|| {
            let _: Result<(), &str> = task_group(|group| {
                group.spawn(|| -> Result<(), _> {
                    thread::shield(|| sleep(2 * SECOND));
                    Err("while the group ends")
                });
                thread::park();
                Ok(())
            });
            unreachable!("the green thread was cancelled")
        });
        sleep(SECOND);
        handle.cancel();
        let result: thread::Result<()> = handle.join();
        assert!(result.unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn a_panic_during_cancellation_leaves_the_group() {
    in_virtual_time(|| {
        let handle = leno::spawn(|| {
            let _: Result<(), ()> = task_group(|group| {
                group.spawn(|| -> Result<(), ()> {
                    thread::shield(|| sleep(2 * SECOND));
                    panic::resume_unwind(Box::new("while the group ends"))
                });
                group.spawn(|| Ok(()));
                thread::park();
                Ok(())
            });
        });
        sleep(SECOND);
        handle.cancel();
        assert_eq!(text_of(handle.join().unwrap_err()), "while the group ends");
    });
}

#[test]
fn a_group_works_in_a_destructor_during_a_panic() {
    in_virtual_time(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let inner = seen.clone();
        let handle = leno::spawn(move || {
            let _guard = OnDrop(|| {
                let result: Result<(), &str> = task_group(|group| {
                    group.spawn(|| -> Result<(), _> { Err("task") });
                    // A failure does not unwind a thread that is already panicking.
                    sleep(SECOND);
                    Ok(())
                });
                inner.borrow_mut().push(result);
            });
            panic::resume_unwind(Box::new("on purpose"));
        });
        assert_eq!(text_of(handle.join().unwrap_err()), "on purpose");
        assert_eq!(*seen.borrow(), [Err("task")]);
    });
}

#[test]
fn a_deadlock_inside_a_group_is_reported() {
    let ledger = Ledger::default();
    let text = panic_text(|| {
        leno::run(|| {
            let _: Result<(), ()> = task_group(|group| {
                let value = ledger.value();
                let task = Builder::new().name("stuck".to_owned());
                task.spawn_task(group, move || {
                    let _value = value;
                    thread::park();
                    Ok(())
                })
                .unwrap();
                Ok(())
            });
        });
    });
    assert!(text.contains("'stuck' (#2)"), "{text}");
    assert!(text.contains("the end of its scope's green threads"), "{text}");
    ledger.check();
}
