//! `Once`, `OnceLock` and `LazyLock`.

use std::cell::Cell;
use std::rc::Rc;

use leno::sync::{LazyLock, Once, OnceCell, OnceLock};
use leno::thread::{self, JoinHandle};
use leno::time::sleep;

use super::{Log, SECOND, assert_cancelled, run};
use crate::support::panic_text;

const POISONED: &str = "an earlier closure has panicked or been cancelled";

/// Spawns a green thread that calls `call_once` with a closure that sleeps for a
/// second.
fn caller(once: &Rc<Once>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (once, log) = (once.clone(), log.clone());
    thread::spawn(move || {
        once.call_once(|| {
            log.write(name);
            sleep(SECOND);
            log.write(format!("/{name}"));
        });
        assert!(once.is_completed());
        log.write(format!("{name}:on"));
    })
}

#[test]
fn the_first_caller_runs_and_the_others_wait() {
    run(|| {
        let (once, log) = (Rc::new(Once::new()), Log::default());
        let all = ["a", "b", "c"].map(|name| caller(&once, &log, name));
        let (other, words) = (once.clone(), log.clone());
        let waiter = thread::spawn(move || {
            other.wait();
            words.write("waiter:on");
        });
        leno::yield_now();
        assert!(!once.is_completed());
        once.wait_force();
        all.into_iter().for_each(|one| one.join().unwrap());
        waiter.join().unwrap();
        assert_eq!(log.take(), "a /a a:on b:on c:on waiter:on");
        caller(&once, &log, "d").join().unwrap();
        assert_eq!(log.take(), "d:on");
    });
}

#[test]
fn a_panic_poisons_a_once_until_a_forced_call() {
    let once = Once::new();
    assert_eq!(panic_text(|| once.call_once(|| panic!("the first"))), "the first");
    assert!(!once.is_completed());
    let calls = || once.call_once(|| unreachable!());
    assert_eq!(panic_text(calls), format!("Once::call_once: {POISONED}"));
    assert_eq!(panic_text(|| once.wait()), format!("Once::wait: {POISONED}"));
    once.call_once_force(|state| assert!(state.is_poisoned()));
    once.call_once(|| unreachable!());
    once.wait();
    let once = Once::new();
    once.call_once_force(|state| assert!(!state.is_poisoned()));
    assert!(once.is_completed());
}

#[test]
fn waiters_see_the_poison_of_a_failed_call() {
    for cancel in [true, false] {
        run(|| {
            let (once, log) = (Rc::new(Once::new()), Log::default());
            let other = once.clone();
            let first = thread::spawn(move || {
                other.call_once(|| {
                    sleep(SECOND);
                    std::panic::resume_unwind(Box::new("expected"));
                });
            });
            let other = once.clone();
            let calls = thread::spawn(move || panic_text(|| other.call_once(|| unreachable!())));
            let other = once.clone();
            let waits = thread::spawn(move || panic_text(|| other.wait()));
            let (other, words) = (once.clone(), log.clone());
            let patient = thread::spawn(move || {
                other.wait_force();
                words.write("patient");
            });
            let (other, words) = (once.clone(), log.clone());
            let forces = thread::spawn(move || {
                other.call_once_force(|state| words.write(state.is_poisoned()));
            });
            leno::yield_now();
            if cancel {
                first.cancel();
            }
            assert_eq!(calls.join().unwrap(), format!("Once::call_once: {POISONED}"));
            assert_eq!(waits.join().unwrap(), format!("Once::wait: {POISONED}"));
            patient.join().unwrap();
            forces.join().unwrap();
            assert!(first.join().is_err());
            assert_eq!(log.take(), "true patient");
        });
    }
}

#[test]
fn waiting_for_a_once_is_a_cancellation_point() {
    run(|| {
        let (once, log) = (Rc::new(Once::new()), Log::default());
        let [first, second] = ["a", "b"].map(|name| caller(&once, &log, name));
        leno::yield_now();
        second.cancel();
        assert_cancelled(second);
        first.join().unwrap();
        assert_eq!(log.take(), "a /a a:on");
    });
}

#[test]
fn a_once_that_calls_itself_is_a_deadlock() {
    let text = panic_text(|| {
        run(|| {
            let once = Once::new();
            once.call_once(|| once.call_once(|| ()));
        })
    });
    assert!(text.contains("once"), "{text}");
    let once = Once::new();
    once.set_name("setup");
    let text = panic_text(|| once.wait());
    assert_eq!(text, "Once::wait needs a runtime: call it from inside leno::run");
    assert_eq!(format!("{once:?}"), "Once { .. }");
}

#[test]
fn a_cell_is_written_once() {
    let mut cell = OnceLock::new();
    cell.set_name("answer");
    assert_eq!(cell.get(), None);
    assert_eq!(cell.get_mut(), None);
    assert_eq!(format!("{cell:?}"), format!("{:?}", std::sync::OnceLock::<i32>::new()));
    assert_eq!(cell.set(1), Ok(()));
    assert_eq!(cell.set(2), Err(2));
    assert_eq!(cell.get_or_init(|| unreachable!()), &1);
    assert_eq!(cell.wait(), &1);
    *cell.get_mut().unwrap() += 1;
    assert_eq!(cell, cell.clone());
    assert_eq!(format!("{cell:?}"), format!("{:?}", std::sync::OnceLock::from(2)));
    assert_eq!(cell.take(), Some(2));
    assert_eq!(cell.take(), None);
    assert_eq!(cell, OnceCell::default());
    assert_eq!(cell.get_or_init(|| 3), &3);
    assert_eq!(cell.into_inner(), Some(3));
    let from = OnceLock::from("made");
    assert_eq!((from.wait(), from.set("late")), (&"made", Err("late")));
}

#[test]
fn the_next_caller_initializes_a_cell_after_a_failure() {
    let cell = OnceLock::new();
    assert_eq!(panic_text(|| *cell.get_or_init(|| panic!("no value"))), "no value");
    assert_eq!(cell.get(), None);
    assert_eq!(cell.get_or_init(|| 1), &1);
    run(|| {
        let (cell, log) = (Rc::new(OnceLock::new()), Log::default());
        let maker = |name: &'static str| {
            let (cell, log) = (cell.clone(), log.clone());
            thread::spawn(move || {
                let value = *cell.get_or_init(|| {
                    log.write(name);
                    sleep(SECOND);
                    name
                });
                log.write(format!("{name}={value}"));
            })
        };
        let [first, second, third] = ["a", "b", "c"].map(maker);
        let other = cell.clone();
        let setter = thread::spawn(move || other.set("set"));
        let other = cell.clone();
        let waiter = thread::spawn(move || *other.wait());
        leno::yield_now();
        first.cancel();
        assert_cancelled(first);
        second.join().unwrap();
        third.join().unwrap();
        assert_eq!(setter.join().unwrap(), Err("set"));
        assert_eq!(waiter.join().unwrap(), "b");
        assert_eq!(log.take(), "a b b=b c=b");
    });
}

#[test]
fn a_lazy_value_is_created_at_its_first_use() {
    run(|| {
        let made = Cell::new(0);
        let lazy = LazyLock::new(|| {
            made.set(made.get() + 1);
            leno::yield_now();
            "value".to_owned()
        });
        LazyLock::set_name(&lazy, "config");
        assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
        assert_eq!((made.get(), LazyLock::get(&lazy)), (0, None));
        leno::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(lazy.len(), 5));
            }
        });
        assert_eq!((made.get(), LazyLock::force(&lazy).as_str()), (1, "value"));
        assert_eq!(format!("{lazy:?}"), "LazyLock(\"value\")");
    });
    let mut lazy = LazyLock::<u8>::default();
    assert_eq!(LazyLock::get_mut(&mut lazy), None);
    *LazyLock::force_mut(&mut lazy) += 7;
    assert_eq!(LazyLock::get_mut(&mut lazy), Some(&mut 7));
    assert_eq!((*lazy, LazyLock::get(&lazy)), (7, Some(&7)));
    let broken: LazyLock<u8> = LazyLock::new(|| panic!("no value"));
    assert_eq!(panic_text(|| *broken), "no value");
    assert_eq!(panic_text(|| *broken), format!("LazyLock::force: {POISONED}"));
}

#[test]
fn completed_onces_are_not_cancellation_points() {
    run(|| {
        let once = Rc::new((Once::new(), OnceLock::from(1)));
        once.0.call_once(|| ());
        let other = once.clone();
        let cancelled = thread::spawn(move || {
            thread::shield(leno::yield_now);
            other.0.call_once(|| ());
            other.0.wait();
            *other.1.get_or_init(|| 2) + *other.1.wait()
        });
        leno::yield_now();
        cancelled.cancel();
        assert_eq!(cancelled.join().unwrap(), 2);
    });
}
