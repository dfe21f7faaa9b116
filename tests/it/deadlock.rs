//! Deadlocks: the report, the unwinding of all threads, and threads that resist it.

mod report;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::stack::Pool;
use leno::thread::{self, Builder, JoinHandle, Thread};

use crate::support::{Ledger, OnDrop, caught, child, hook_runs, panic_text, text_of};

const TITLE: &str = "deadlock: every green thread waits, and nothing is left that could wake one";

/// Returns the report of the deadlock that a run ends with.
fn report_of<T>(f: impl FnOnce() -> T) -> String {
    let text = panic_text(|| leno::run(f));
    assert!(text.starts_with(TITLE), "{text}");
    text
}

/// Parks in a recursion of this depth, in which each frame has a value to drop.
fn park_below(ledger: &Ledger, depth: u32) {
    let _value = ledger.value();
    if depth == 0 { thread::park() } else { park_below(ledger, depth - 1) }
}

#[test]
fn all_threads_are_unwound_once() {
    Pool::reserve(120, leno::stack::DEFAULT_STACK_BYTES).unwrap();
    let free = Pool::free();
    for _ in 0..20 {
        let ledger = Ledger::default();
        let runs = hook_runs(|| {
            let text = report_of(|| {
                for depth in 0..100 {
                    let (captured, inner) = (ledger.value(), ledger.clone());
                    leno::spawn(move || {
                        let _captured = captured;
                        park_below(&inner, depth);
                    });
                }
                park_below(&ledger, 7);
            });
            assert_eq!(text.lines().count(), 1 + 1 + 2 * 100);
        });
        assert_eq!(runs, 1, "the hook runs for the panic of `run` only");
        assert_eq!(ledger.made(), 8 + 100 + (1..=100).sum::<usize>());
        ledger.check();
        assert_eq!(Pool::free(), free);
    }
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}

#[test]
fn a_thread_that_catches_the_unwinding_is_unwound_again() {
    let attempts = Rc::new(Cell::new(0));
    let ledger = Ledger::default();
    let (counted, inner) = (attempts.clone(), ledger.clone());
    report_of(|| {
        leno::spawn(move || {
            for _ in 0..100 {
                let _outside = inner.value();
                let caught = panic::catch_unwind(AssertUnwindSafe(|| park_below(&inner, 3)));
                assert!(caught.is_err());
                counted.set(counted.get() + 1);
            }
            // Yields and joins are unwound, too.
            assert!(panic::catch_unwind(leno::yield_now).is_err());
            let child = leno::spawn(|| ());
            assert!(panic::catch_unwind(AssertUnwindSafe(|| child.join())).is_err());
        });
    });
    assert_eq!(attempts.get(), 100);
    ledger.check();
}

#[test]
fn destructors_may_wait_during_the_unwinding() {
    let total = Rc::new(Cell::new(0));
    let inner = total.clone();
    report_of(|| {
        // This thread is unwound, too, and returns a value.
        let stubborn = leno::spawn(|| {
            let unwound = panic::catch_unwind(thread::park).is_err();
            if unwound { 12 } else { 0 }
        });
        let stubborn = Cell::new(Some(stubborn));
        let guard = OnDrop(move || {
            leno::yield_now();
            let other = leno::spawn(|| {
                (0..3).for_each(|_| leno::yield_now());
                30
            });
            let sum = stubborn.take().unwrap().join().unwrap() + other.join().unwrap();
            inner.set(inner.get() + sum);
        });
        leno::spawn(move || {
            let _guard = guard;
            thread::park();
        });
    });
    assert_eq!(total.get(), 42);
}

#[test]
fn destructors_may_deadlock_again() {
    let ledger = Ledger::default();
    let inner = ledger.clone();
    let text = report_of(|| {
        leno::spawn(move || {
            let _spawns = OnDrop(|| {
                let ledger = inner.clone();
                leno::spawn(move || park_below(&ledger, 2));
            });
            thread::park();
        });
    });
    // `run` panics with the first report.
    assert_eq!(text.lines().count(), 1 + 1 + 2, "{text}");
    assert_eq!(ledger.made(), 3);
    ledger.check();
}

#[test]
fn joins_fail_and_the_scope_does_not_panic() {
    let outcome = Cell::new(None);
    report_of(|| {
        leno::scope(|scope| {
            let parked = scope.spawn(|| thread::park());
            assert!(panic::catch_unwind(thread::park).is_err());
            outcome.set(Some(parked.join().is_err()));
        });
    });
    assert_eq!(outcome.get(), Some(true));
}

#[test]
fn the_last_thread_may_have_a_large_result() {
    report_of(|| {
        let large = || {
            leno::yield_now();
            [1u8; 100 << 10]
        };
        Builder::new().stack_size(8 << 20).spawn(large).unwrap();
        thread::park();
    });
}

#[test]
fn handles_are_harmless_after_a_deadlock() {
    type Handles = Vec<(JoinHandle<()>, Thread)>;
    let kept: Rc<RefCell<Handles>> = Rc::default();
    let inner = kept.clone();
    let text = report_of(|| {
        for _ in 0..3 {
            let handle = leno::spawn(thread::park);
            let thread = handle.thread().clone();
            inner.borrow_mut().push((handle, thread));
        }
        thread::park();
    });
    assert_eq!(text.lines().count(), 1 + 1 + 2 * 3);
    for (handle, thread) in kept.take() {
        thread.unpark();
        assert!(handle.is_finished());
        assert!(handle.join().is_err());
        thread.unpark();
    }
}

#[test]
fn a_panic_of_main_replaces_the_deadlock() {
    child(|| {
        let result = caught(|| {
            leno::run(|| {
                leno::spawn(thread::park);
                panic!("a panic of main");
            })
        });
        assert_eq!(text_of(result.unwrap_err()), "a panic of main");
    })
    .assert_survived()
    .stderr()
    .find(&format!("leno: {TITLE}\n  main "))
    .expect("the report is on standard error");
}

#[test]
fn a_deadlock_of_destructors_aborts_with_the_report() {
    let ended = child(|| {
        leno::run(|| {
            leno::spawn(|| {
                let _guard = OnDrop(thread::park);
                thread::park();
            });
        });
    });
    ended.assert_aborted(&format!("leno: {TITLE}"));
    ended.assert_aborted("leno: this is while they are unwound");
}

#[test]
fn catching_the_unwinding_forever_aborts() {
    child(|| leno::run(|| while panic::catch_unwind(thread::park).is_err() {})).assert_aborted(
        "leno: a green thread that is being unwound has caught the unwinding and waited again \
         1000 times; a loop around catch_unwind must end when it catches a payload that it does \
         not know",
    );
}

#[test]
fn a_deadlock_during_a_panic_is_reported() {
    let ended = child(|| {
        leno::run(|| {
            let _guard = OnDrop(thread::park);
            panic!("and then the destructor parks");
        });
    });
    // A panic in a destructor during a panic aborts the process.
    ended.assert_aborted(&format!("leno: {TITLE}"));
}
