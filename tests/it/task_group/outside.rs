//! What comes from outside: cancellation, deadlines, shields, panics, a deadlock.

use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;

use leno::thread::{self, Builder, Cancelled, task_group};
use leno::time::{Elapsed, Instant, sleep, timeout};

use super::{SECOND, story};
use crate::support::{Ledger, panic_text, text_of};

fn scopeguard(f: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(f)
}

#[test]
fn cancelling_the_green_thread_of_a_group_cancels_its_tasks() {
    // In the body, and where the group waits for its tasks.
    for body_waits in [true, false] {
        story(|| {
            let ledger = Ledger::default();
            let values = ledger.clone();
            let handle = leno::spawn(move || {
                let value = values.value();
                let _: Result<(), ()> = task_group(|group| {
                    for _ in 0..3 {
                        let value = values.value();
                        group.spawn(move || {
                            let _value = value;
                            // Their destructors are waited for.
                            let _slow = scopeguard(|| sleep(SECOND));
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
        story(|| {
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
            // It left no trace: nothing is unwound any more.
            sleep(SECOND);
        });
    }
}

#[test]
fn deadlines_inside_a_group_and_its_failure_are_not_mixed_up() {
    story(|| {
        // The group fails while a deadline scope inside it runs.
        let result: Result<Result<(), Elapsed>, &str> = task_group(|group| {
            group.spawn(|| -> Result<(), _> {
                sleep(SECOND);
                Err("failed")
            });
            Ok(timeout(5 * SECOND, thread::park))
        });
        assert_eq!(result, Err("failed"));
        // The deadline comes first, and the group goes on.
        let result: Result<Result<(), Elapsed>, &str> =
            task_group(|_| Ok(timeout(SECOND, thread::park)));
        assert_eq!(result, Ok(Err(Elapsed)));
        // At one moment: whoever is outside ends.
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
fn a_group_inside_a_shield_can_fail_and_one_around_a_shield_waits_for_it() {
    story(|| {
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
fn a_task_that_fails_while_it_is_cancelled_does_not_replace_the_reason() {
    story(|| {
        let handle = leno::spawn(|| {
            let _: Result<(), &str> = task_group(|group| {
                group.spawn(|| -> Result<(), _> {
                    thread::shield(|| sleep(2 * SECOND));
                    Err("while the group ends")
                });
                thread::park();
                Ok(())
            });
            unreachable!("it was cancelled")
        });
        sleep(SECOND);
        handle.cancel();
        let result: thread::Result<()> = handle.join();
        assert!(result.unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn a_panic_is_never_hushed_up() {
    story(|| {
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
fn a_group_in_a_destructor_works_while_its_green_thread_panics() {
    story(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let inner = seen.clone();
        let handle = leno::spawn(move || {
            let _guard = scopeguard(|| {
                let result: Result<(), &str> = task_group(|group| {
                    group.spawn(|| -> Result<(), _> { Err("task") });
                    // Not unwound: there is a panic in flight already.
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
fn a_deadlock_inside_a_group_is_reported_and_resolved() {
    let ledger = Ledger::default();
    let text = panic_text(|| {
        leno::run(|| {
            let _: Result<(), ()> = task_group(|group| {
                let value = ledger.value();
                let task = Builder::new().name("stuck");
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
