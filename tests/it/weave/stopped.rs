//! Abandoned executions: all green threads are unwound, each value is dropped once,
//! and the unwinding ends.

use std::cell::Cell;
use std::panic;
use std::rc::Rc;
use std::time::Duration;

use leno::channel::bounded;
use leno::sync::Mutex;
use leno::thread;
use leno::weave::{Explorer, FailureKind, Shared, explore};

use super::{By, kinds, steps, yield_forever};
use crate::support::{Ledger, OnDrop, child, panic_text};

/// Puts values on the stacks of green threads, into a channel, into closures that
/// have not begun, into results that no thread takes, and into the outcome.
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
fn every_end_of_an_execution_drops_each_value_once() {
    let ledger = Ledger::default();
    let all = Explorer::new();
    // Completed.
    let report = all.explore(|| with_values(&ledger, |_| leno::yield_now()));
    assert!(report.is_complete() && report.failure().is_none());
    let made = ledger.made();
    assert!(made as u64 > report.executions() * 6);
    ledger.check();
    // Endless.
    let few = all.clone().max_steps(40).max_executions(30);
    let report = few.explore(|| with_values(&ledger, |_| yield_forever()));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
    ledger.check();
    // Deadlocked, with sleeping and waiting threads.
    let stuck = |number| match number {
        0 => thread::park(),
        1 => leno::sleep(Duration::from_secs(1)),
        _ => {}
    };
    let report = all.explore(|| with_values(&ledger, stuck));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
    ledger.check();
    // Panicked.
    let report = all.explore(|| with_values(&ledger, |number| assert_ne!(number, 1)));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Panic);
    ledger.check();
    // Redundant in partial-order reduction.
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
    // Misfit of a schedule.
    let replayed =
        panic_text(|| leno::weave::replay("A1 X1", || with_values(&ledger, |_| leno::yield_now())));
    assert!(replayed.contains("gives the turn to X"));
    ledger.check();
    // Not repeatable.
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
fn returned_values_are_dropped_once() {
    let ledger = Ledger::default();
    let program =
        || By((super::lost_update(), ledger.value()), |value, other| value.0.cmp(&other.0));
    let report = explore(program);
    assert_eq!(report.outcomes().len(), 2);
    // Six executions and a second run of the first; two values are left.
    assert_eq!((ledger.made(), ledger.alive()), (7, 2));
    assert!(report.outcomes().keys().all(|value| value.0.1.index() < 7));
    drop(report);
    assert!(leno::weave::find(program, |value| value.0.0 == 2).is_some());
    drop(leno::weave::replay("", program));
    ledger.check();
}

#[test]
fn destructors_may_wait_while_an_execution_is_abandoned() {
    let finished = Rc::new(Cell::new(0));
    let slow = |finished: Rc<Cell<u32>>| {
        OnDrop(move || {
            leno::sleep(Duration::from_secs(1));
            (0..100).for_each(|_| leno::yield_now());
            leno::scope(|scope| drop(scope.spawn(|| leno::yield_now())));
            finished.set(finished.get() + 1);
        })
    };
    let report = Explorer::new().max_steps(30).max_executions(10).explore(|| {
        leno::scope(|scope| {
            for _ in 0..2 {
                let value = slow(finished.clone());
                scope.spawn(move || {
                    let _value = value;
                    yield_forever();
                });
            }
        });
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
    assert_eq!(u64::from(finished.get()), 2 * (report.executions()));
}

/// Explores preemptively, so that each read is a step.
#[test]
fn a_spinning_thread_is_stopped() {
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
fn a_thread_that_catches_the_unwinding_is_unwound_again() {
    let caught = Rc::new(Cell::new(0));
    let report = Explorer::new().max_steps(20).max_executions(1).explore(|| {
        let caught = caught.clone();
        let catches = move || {
            for _ in 0..10 {
                let result = panic::catch_unwind(yield_forever);
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
fn catching_the_unwinding_forever_aborts_the_process() {
    let ended = child(|| {
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
fn a_destructor_that_yields_forever_aborts_the_process() {
    let ended = child(|| {
        Explorer::new().max_steps(20).explore(|| {
            let _waits = OnDrop(|| yield_forever());
            yield_forever();
        });
    });
    ended.assert_aborted(
        "leno: a program that is explored cannot be ended: its green threads are unwound, and \
         destructors have had 1000000 turns since",
    );
}

#[test]
fn a_destructor_that_spins_forever_aborts_the_process() {
    let ended = child(|| {
        Explorer::new().preemptive().max_steps(20).explore(|| {
            let never = Shared::new(false);
            let _spins = OnDrop(|| while !never.get() {});
            yield_forever();
        });
    });
    ended.assert_aborted(
        "leno: a program that is explored cannot be ended: its green threads are unwound, and \
         destructors have had 1000000 turns since",
    );
}

#[test]
fn a_destructor_may_spin_until_another_thread_ends() {
    let explorer = Explorer::new().preemptive().max_steps(40).max_executions(20);
    let report = explorer.explore(|| {
        let ended = Shared::new(false);
        leno::scope(|scope| {
            scope.spawn(|| {
                let _spins = OnDrop(|| while !ended.get() {});
                yield_forever();
            });
            scope.spawn(|| {
                let _sets = OnDrop(|| ended.set(true));
                yield_forever();
            });
        });
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Endless);
}

#[test]
fn an_abandoned_execution_leaves_nothing_to_the_next() {
    for explorer in [Explorer::new(), Explorer::new().preemptive(), Explorer::new().timed()] {
        let report = explorer.max_steps(12).max_executions(200).explore(|| {
            assert_eq!(thread::current().id().number(), 1);
            let order = steps(&[2, 2]);
            leno::spawn(|| yield_forever());
            assert_eq!(leno::spawn(|| thread::current().id().number()).join().unwrap(), 5);
            order
        });
        assert_eq!(kinds(&report), [FailureKind::Endless], "{report}");
    }
    assert_eq!(explore(|| steps(&[3, 3])).executions(), 20);
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}
