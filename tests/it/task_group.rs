//! Task groups: either all tasks succeed, or the first failure cancels the rest.

mod outside;

use std::cell::{Cell, RefCell};
use std::mem;

use leno::channel::bounded;
use leno::thread::{self, Builder, Cancelled, task_group};
use leno::time::{Duration, Instant, sleep};

use crate::support::{Ledger, SECOND, Tracked, caught, hook_runs, in_virtual_time, panic_text};

#[test]
fn a_successful_group_returns_the_value_of_its_body() {
    in_virtual_time(|| {
        let mut numbers = [1, 2, 3];
        let result: Result<i32, ()> = task_group(|group| {
            let tasks: Vec<_> = numbers
                .iter_mut()
                .map(|number| {
                    group.spawn(move || {
                        sleep(SECOND);
                        *number *= 10;
                        Ok(*number)
                    })
                })
                .collect();
            assert_eq!((group.len(), group.is_empty()), (3, false));
            Ok(tasks.into_iter().map(|task| task.join().unwrap()).sum())
        });
        assert_eq!((result, numbers), (Ok(60), [10, 20, 30]));
    });
}

#[test]
fn a_group_waits_for_unjoined_tasks() {
    in_virtual_time(|| {
        let done = Cell::new(0);
        let start = Instant::now();
        let result: Result<&str, ()> = task_group(|group| {
            for seconds in 1..=3 {
                let done = &done;
                mem::forget(group.spawn(move || {
                    sleep(seconds * SECOND);
                    done.set(done.get() + 1);
                    Ok(())
                }));
            }
            Ok("body")
        });
        assert_eq!((result, done.get(), start.elapsed()), (Ok("body"), 3, 3 * SECOND));
    });
}

#[test]
fn the_first_error_cancels_everything_and_is_returned() {
    in_virtual_time(|| {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let result: Result<(), &str> = task_group(|group| {
            for _ in 0..3 {
                let value = ledger.value();
                group.spawn(move || {
                    let _value = value;
                    thread::park();
                    Ok(())
                });
            }
            group.spawn(|| -> Result<(), _> {
                sleep(SECOND);
                Err("first")
            });
            group.spawn(|| -> Result<(), _> {
                sleep(2 * SECOND);
                Err("second")
            });
            let _held = ledger.value();
            thread::park();
            unreachable!("the body is unwound where it waits")
        });
        assert_eq!((result, start.elapsed()), (Err("first"), SECOND));
        ledger.check();
    });
}

#[test]
fn a_failure_after_the_body_returned_drops_its_value() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let result: Result<Tracked, &str> = task_group(|group| {
            group.spawn(|| -> Result<(), _> {
                sleep(SECOND);
                Err("later")
            });
            Ok(ledger.value())
        });
        assert_eq!(result.map(|_| ()), Err("later"));
        ledger.check();
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let result: Result<(), String> = task_group(|group| {
            let value = ledger.value();
            group.spawn(move || {
                let _value = value;
                thread::park();
                Ok(())
            });
            leno::yield_now();
            // `?` leaves a group as it leaves any function.
            Err("body")?;
            Ok(())
        });
        assert_eq!(result, Err("body".to_owned()));
        ledger.check();
    });
}

#[test]
fn a_failure_drops_tasks_that_have_not_begun() {
    in_virtual_time(|| {
        let (ledger, began) = (Ledger::default(), Cell::new(false));
        let result: Result<(), u8> = task_group(|group| {
            group.spawn(|| -> Result<(), _> { Err(1) });
            let value = ledger.value();
            let began = &began;
            group.spawn(move || {
                began.set(true);
                drop(value);
                Ok(())
            });
            Ok(())
        });
        assert_eq!((result, began.get()), (Err(1), false));
        ledger.check();
    });
}

#[test]
fn a_panic_of_a_task_leaves_the_group() {
    in_virtual_time(|| {
        let (ledger, runs) = (Ledger::default(), Cell::new(0));
        let text = panic_text(|| {
            let _: Result<(), ()> = task_group(|group| {
                let value = ledger.value();
                group.spawn(move || {
                    let _value = value;
                    thread::park();
                    Ok(())
                });
                group.spawn(|| -> Result<(), ()> {
                    runs.set(runs.get() + 1);
                    panic!("in a task");
                });
                thread::park();
                Ok(())
            });
        });
        assert_eq!((text.as_str(), runs.get()), ("in a task", 1));
        ledger.check();
    });
}

#[test]
fn a_panic_of_the_body_cancels_the_tasks() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let text = panic_text(|| {
            let _: Result<(), &str> = task_group(|group| {
                let value = ledger.value();
                group.spawn(move || -> Result<(), _> {
                    let _value = value;
                    thread::park();
                    Err("a later failure")
                });
                leno::yield_now();
                panic!("in the body");
            });
        });
        assert_eq!(text, "in the body");
        ledger.check();
    });
}

#[test]
fn an_error_does_not_run_the_panic_hook() {
    let runs = hook_runs(|| {
        in_virtual_time(|| {
            let _: Result<(), ()> = task_group(|group| {
                for _ in 0..10 {
                    group.spawn(|| {
                        thread::park();
                        Ok(())
                    });
                }
                group.spawn(|| -> Result<(), ()> { Err(()) });
                thread::park();
                Ok(())
            });
        });
    });
    assert_eq!(runs, 0);
}

#[test]
fn later_failures_are_dropped() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let result: Result<(), Tracked> = task_group(|group| {
            for _ in 0..5 {
                let (error, held) = (ledger.value(), ledger.value());
                group.spawn(move || -> Result<(), _> {
                    let _held = held;
                    // The shield prevents the unwinding, so every task fails.
                    thread::shield(|| sleep(SECOND));
                    Err(error)
                });
            }
            Ok(())
        });
        assert_eq!(ledger.alive(), 1);
        assert_eq!(result.unwrap_err().index(), 0);
        ledger.check();
    });
}

#[test]
fn joining_a_failed_or_cancelled_task_returns_cancelled() {
    in_virtual_time(|| {
        let result: Result<(), &str> = task_group(|group| {
            let cancelled = group.spawn(|| {
                thread::park();
                Ok(1)
            });
            cancelled.cancel();
            assert!(cancelled.join().unwrap_err().is::<Cancelled>());
            // A cancelled task is not a failure of the group.
            assert_eq!(group.spawn(|| Ok(2)).join().unwrap(), 2);
            let fails = group.spawn(|| -> Result<(), _> { Err("failed") });
            // In a shield the body lives to see the failed task.
            thread::shield(|| assert!(fails.join().unwrap_err().is::<Cancelled>()));
            leno::yield_now();
            unreachable!("the shield has ended")
        });
        assert_eq!(result, Err("failed"));
    });
}

#[test]
fn a_group_may_cancel_its_remaining_tasks() {
    in_virtual_time(|| {
        let start = Instant::now();
        let fastest: Result<u64, ()> = task_group(|group| {
            let (sender, receiver) = bounded(0);
            for seconds in [5, 2, 9] {
                let sender = sender.clone();
                group.spawn(move || {
                    sleep(Duration::from_secs(seconds));
                    let _ = sender.send(seconds);
                    Ok(())
                });
            }
            let first = receiver.recv().unwrap();
            group.cancel();
            let after = group.spawn(|| Ok(10));
            Ok(first + after.join().unwrap())
        });
        assert_eq!((fastest, start.elapsed()), (Ok(12), 2 * SECOND));
    });
}

#[test]
fn a_task_spawned_after_the_failure_never_begins() {
    in_virtual_time(|| {
        let (ledger, began) = (Ledger::default(), Cell::new(false));
        let result: Result<(), &str> = task_group(|group| {
            group.spawn(|| -> Result<(), _> { Err("early") });
            thread::shield(|| {
                sleep(SECOND);
                let value = ledger.value();
                let began = &began;
                let late = group.spawn(move || {
                    began.set(true);
                    drop(value);
                    Ok(())
                });
                assert!(late.join().unwrap_err().is::<Cancelled>());
            });
            Ok(())
        });
        assert_eq!((result, began.get()), (Err("early"), false));
        ledger.check();
    });
}

#[test]
fn a_task_may_spawn_tasks_of_its_group() {
    in_virtual_time(|| {
        let log = RefCell::new(Vec::new());
        let result: Result<(), u32> = task_group(|group| {
            group.spawn(|| {
                log.borrow_mut().push(1);
                group.spawn(|| {
                    log.borrow_mut().push(2);
                    group.spawn(|| -> Result<(), _> { Err(3) });
                    thread::park();
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        });
        assert_eq!((result, log.into_inner()), (Err(3), vec![1, 2]));
    });
}

#[test]
fn a_failure_of_a_nested_group_stays_inside() {
    in_virtual_time(|| {
        let log = RefCell::new(Vec::new());
        let result: Result<&str, &str> = task_group(|outer| {
            outer.spawn(|| {
                let inner: Result<(), &str> = task_group(|inner| {
                    inner.spawn(|| -> Result<(), _> { Err("inner") });
                    thread::park();
                    Ok(())
                });
                log.borrow_mut().push(inner.unwrap_err());
                Ok(())
            });
            sleep(SECOND);
            // A failure of the outer group ends the inner ones.
            outer.spawn(|| {
                task_group(|inner| {
                    inner.spawn(|| {
                        thread::park();
                        Ok(())
                    });
                    thread::park();
                    Ok(())
                })
            });
            outer.spawn(|| -> Result<(), _> { Err("outer") });
            Ok("body")
        });
        assert_eq!((result, log.into_inner()), (Err("outer"), vec!["inner"]));
    });
}

#[test]
fn a_group_needs_a_runtime_and_stacks() {
    let text = panic_text(|| task_group(|_| -> Result<(), ()> { Ok(()) }));
    assert!(text.starts_with("leno::thread::task_group needs a runtime"), "{text}");
    leno::run(|| {
        let result: Result<(), std::io::Error> = task_group(|group| {
            let builder = Builder::new().stack_size(usize::MAX);
            assert!(builder.spawn_task(group, || Ok(())).is_err());
            assert!(group.is_empty());
            let closure_dropped = Ledger::default();
            let value = closure_dropped.value();
            let builder = Builder::new().stack_size(usize::MAX);
            builder
                .spawn_task(group, move || {
                    drop(value);
                    Ok(())
                })
                .inspect_err(|_| closure_dropped.check())?;
            Ok(())
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_long_lived_group_frees_ended_tasks() {
    in_virtual_time(|| {
        let result: Result<(), ()> = task_group(|group| {
            for _ in 0..1_000 {
                group.spawn(|| Ok(()));
                leno::yield_now();
                assert!(group.len() <= 1);
            }
            Ok(())
        });
        assert_eq!(result, Ok(()));
        assert!(caught(|| task_group(|_| -> Result<(), ()> { Ok(()) })).is_ok());
    });
}

#[test]
fn any_of_a_thousand_tasks_may_fail() {
    for failing in [0, 1, 499, 998, 999] {
        in_virtual_time(|| {
            let ledger = Ledger::default();
            let result: Result<(), usize> = task_group(|group| {
                for number in 0..1_000 {
                    let value = ledger.value();
                    group.spawn(move || {
                        let _value = value;
                        sleep(SECOND);
                        if number == failing { Err(number) } else { Ok(()) }
                    });
                }
                Ok(())
            });
            assert_eq!(result, Err(failing));
            ledger.check();
        });
    }
}
