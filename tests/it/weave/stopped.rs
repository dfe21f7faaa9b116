//! Executions that are given up: everybody is unwound, each value is dropped once,
//! and it comes to an end.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use leno::channel::bounded;
use leno::sync::Mutex;
use leno::thread;
use leno::weave::{Explorer, FailureKind, Shared, explore};

use super::steps;
use crate::support::{Ledger, in_child};

/// Values on the stacks of green threads, in a channel, in closures that have not
/// begun, in results that nobody takes, and in the outcome.
fn with_values(ledger: &Ledger, body: impl Fn(u32)) -> u32 {
    let (sender, receiver) = bounded(4);
    let outcome = ledger.value();
    leno::scope(|scope| {
        for number in 0..3 {
            let (sender, value, body) = (sender.clone(), ledger.value(), &body);
            scope.spawn(move || {
                let _own = value;
                sender.send(ledger.value()).unwrap();
                body(number);
                ledger.value()
            });
        }
        drop(receiver.recv());
    });
    drop(outcome);
    0
}

#[test]
fn each_value_is_dropped_once_however_an_execution_ends() {
    let ledger = Ledger::default();
    let all = Explorer::new();
    // To the end.
    let report = all.explore(|| with_values(&ledger, |_| leno::yield_now()));
    assert!(report.is_complete() && report.failure().is_none());
    let made = ledger.made();
    assert!(made as u64 > report.executions() * 6);
    ledger.check();
    // Without end.
    let endless = |_| loop {
        leno::yield_now();
    };
    let few = all.clone().max_steps(40).max_executions(30);
    let report = few.explore(|| with_values(&ledger, endless));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
    ledger.check();
    // By a deadlock, with those who sleep and those who wait.
    let stuck = |number| match number {
        0 => thread::park(),
        1 => leno::sleep(Duration::from_secs(1)),
        _ => {}
    };
    let report = all.explore(|| with_values(&ledger, stuck));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
    ledger.check();
    // By a panic.
    let report = all.explore(|| with_values(&ledger, |number| assert_ne!(number, 1)));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Panic);
    ledger.check();
    // Since there is nothing new.
    let reduced = all.clone().reduced();
    let report = reduced.explore(|| {
        let shared = [(); 3].map(|()| Shared::new(0));
        with_values(&ledger, |number| {
            let number = number as usize;
            shared[number].set(1);
            leno::yield_now();
            shared[(number + 1) % 3].get();
            leno::yield_now();
            shared[(number + 2) % 3].get();
        })
    });
    assert!(report.redundant() > 0 && report.failure().is_none(), "{report}");
    ledger.check();
    // Because of a schedule that does not fit, or of another run than before.
    let replayed = panic::catch_unwind(AssertUnwindSafe(|| {
        crate::support::panic_text(|| {
            leno::weave::replay("A1 X1", || with_values(&ledger, |_| leno::yield_now()))
        })
    }));
    assert!(replayed.unwrap().contains("gives the turn to X"));
    ledger.check();
    let runs = Cell::new(0);
    let report = all.explore(|| {
        runs.set(runs.get() + 1);
        with_values(&ledger, |number| (0..number + runs.get()).for_each(|_| leno::yield_now()))
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::NotRepeatable);
    ledger.check();
    assert!(ledger.made() > made);
}

#[test]
fn values_that_a_program_returns_are_dropped_once() {
    let ledger = Ledger::default();
    struct Value(u32, crate::support::Tracked);
    impl PartialEq for Value {
        fn eq(&self, other: &Value) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Value {}
    impl PartialOrd for Value {
        fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Value {
        fn cmp(&self, other: &Value) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let program = || Value(super::lost_update(), ledger.value());
    let report = explore(program);
    assert_eq!(report.outcomes().len(), 2);
    // Six and the first one, which was run twice; two are left.
    assert_eq!((ledger.made(), ledger.alive()), (7, 2));
    assert!(report.outcomes().keys().all(|value| value.1.index() < 7));
    drop(report);
    assert!(leno::weave::find(program, |value| value.0 == 2).is_some());
    drop(leno::weave::replay("", program));
    ledger.check();
}

#[test]
fn destructors_may_wait_while_an_execution_is_given_up() {
    let finished = Rc::new(Cell::new(0));
    struct Slow(Rc<Cell<u32>>);
    impl Drop for Slow {
        fn drop(&mut self) {
            leno::sleep(Duration::from_secs(1));
            (0..100).for_each(|_| leno::yield_now());
            leno::scope(|scope| drop(scope.spawn(|| leno::yield_now())));
            self.0.set(self.0.get() + 1);
        }
    }
    let report = Explorer::new().max_steps(30).max_executions(10).explore(|| {
        leno::scope(|scope| {
            for _ in 0..2 {
                let value = Slow(finished.clone());
                scope.spawn(move || {
                    let _value = value;
                    loop {
                        leno::yield_now();
                    }
                });
            }
        });
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
    assert_eq!(u64::from(finished.get()), 2 * (report.executions()));
}

/// Preemptive, so that each look is a step.
#[test]
fn whoever_looks_again_and_again_without_yielding_is_stopped_as_well() {
    let spins = |with_lock: bool| {
        move || {
            let (shared, lock) = (Shared::new(false), Mutex::new(()));
            leno::scope(|scope| {
                scope.spawn(|| {
                    while !shared.get() {
                        if with_lock {
                            drop(lock.try_lock());
                        }
                    }
                });
                scope.spawn(|| shared.set(true));
            });
        }
    };
    for with_lock in [false, true] {
        for explorer in [Explorer::new(), Explorer::new().reduced()] {
            let explorer = explorer.preemptive().max_steps(60).max_executions(100);
            let report = explorer.explore(spins(with_lock));
            assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless, "{report}");
        }
        let explorer = Explorer::new().preemptive().random(1).max_executions(30);
        assert_eq!(explorer.explore(spins(with_lock)).failure(), None);
    }
}

#[test]
fn who_catches_the_unwinding_is_unwound_again() {
    let caught = Rc::new(Cell::new(0));
    let report = Explorer::new().max_steps(20).max_executions(1).explore(|| {
        let caught = caught.clone();
        let catches = move || {
            for _ in 0..10 {
                let waits = || loop {
                    leno::yield_now();
                };
                let result = panic::catch_unwind(waits);
                caught.set(caught.get() + u32::from(result.is_err()));
            }
        };
        [leno::spawn(catches.clone()), leno::spawn(catches)].map(|one| one.join().is_ok())
    });
    let found = report.failure().unwrap();
    assert_eq!((found.kind(), caught.get()), (FailureKind::Endless, 20));
    assert_eq!(report.outcomes().len(), 0);
}

#[test]
fn one_that_catches_it_for_ever_ends_the_process() {
    let test = "weave::stopped::one_that_catches_it_for_ever_ends_the_process";
    let ended = in_child(test, &[], || {
        let explorer = Explorer::new().max_steps(20);
        explorer.explore(|| {
            loop {
                let _ = panic::catch_unwind(leno::yield_now);
            }
        });
    });
    let line = "leno: a green thread that is being unwound has caught the unwinding and waited \
                again 1000 times; a loop around catch_unwind must end when it catches a payload \
                that it does not know";
    ended.assert_aborted(line);
}

#[test]
fn a_destructor_that_waits_for_ever_ends_the_process() {
    let test = "weave::stopped::a_destructor_that_waits_for_ever_ends_the_process";
    struct Waits<'a>(&'a Cell<bool>);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            while !self.0.get() {
                leno::yield_now();
            }
        }
    }
    let ended = in_child(test, &[], || {
        Explorer::new().max_steps(20).explore(|| {
            let never = Cell::new(false);
            let _waits = Waits(&never);
            loop {
                leno::yield_now();
            }
        });
    });
    ended.assert_aborted(
        "leno: a program that is explored cannot be ended: its green threads are unwound, and \
         destructors have had 1000000 turns since",
    );
}

#[test]
fn a_destructor_that_looks_for_ever_ends_the_process() {
    let test = "weave::stopped::a_destructor_that_looks_for_ever_ends_the_process";
    struct Looks<'a>(&'a Shared<bool>);
    impl Drop for Looks<'_> {
        fn drop(&mut self) {
            while !self.0.get() {}
        }
    }
    let ended = in_child(test, &[], || {
        Explorer::new().preemptive().max_steps(20).explore(|| {
            let never = Shared::new(false);
            let _looks = Looks(&never);
            loop {
                leno::yield_now();
            }
        });
    });
    ended.assert_aborted(
        "leno: a program that is explored cannot be ended: its green threads are unwound, and \
         destructors have had 1000000 turns since",
    );
}

#[test]
fn a_destructor_that_looks_until_another_has_ended_gets_there() {
    struct Looks<'a>(&'a Shared<bool>);
    impl Drop for Looks<'_> {
        fn drop(&mut self) {
            while !self.0.get() {}
        }
    }
    struct Sets<'a>(&'a Shared<bool>);
    impl Drop for Sets<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let explorer = Explorer::new().preemptive().max_steps(40).max_executions(20);
    let report = explorer.explore(|| {
        let ended = Shared::new(false);
        leno::scope(|scope| {
            scope.spawn(|| {
                let _looks = Looks(&ended);
                loop {
                    leno::yield_now();
                }
            });
            scope.spawn(|| {
                let _sets = Sets(&ended);
                loop {
                    leno::yield_now();
                }
            });
        });
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
}

#[test]
fn the_next_execution_finds_nothing_of_the_one_that_was_given_up() {
    for explorer in [Explorer::new(), Explorer::new().preemptive(), Explorer::new().timed()] {
        let report = explorer.max_steps(12).max_executions(200).explore(|| {
            assert_eq!(thread::current().id().number(), 1);
            let order = steps(&[2, 2]);
            leno::spawn(|| {
                loop {
                    leno::yield_now();
                }
            });
            assert_eq!(leno::spawn(|| thread::current().id().number()).join().unwrap(), 5);
            order
        });
        let kinds: Vec<FailureKind> =
            report.failures().iter().map(|failure| failure.kind()).collect();
        assert_eq!(kinds, [FailureKind::Endless], "{report}");
    }
    assert_eq!(explore(|| steps(&[3, 3])).executions(), 20);
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}
