//! Deadlocks: what the report says, that everybody is unwound, once, and what
//! happens to those who will not have it.

mod report;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::stack::Pool;
use leno::thread::{self, Builder, JoinHandle, Thread};

use crate::support::{Ledger, caught, hook_runs, in_child, panic_text, text_of};

const TITLE: &str = "deadlock: every green thread waits, and nothing is left that could wake one";

/// Parks several calls down, each with something to drop.
fn park_below(ledger: &Ledger, depth: u32) {
    let _value = ledger.value();
    if depth == 0 { thread::park() } else { park_below(ledger, depth - 1) }
}

#[test]
fn everybody_is_unwound_once_without_the_hook_and_the_stacks_come_back() {
    Pool::reserve(120, leno::stack::DEFAULT_STACK_BYTES).unwrap();
    let free = Pool::free();
    for _ in 0..20 {
        let ledger = Ledger::default();
        let runs = hook_runs(|| {
            let text = panic_text(|| {
                leno::run(|| {
                    for depth in 0..100 {
                        let (captured, inner) = (ledger.value(), ledger.clone());
                        leno::spawn(move || {
                            let _captured = captured;
                            park_below(&inner, depth);
                        });
                    }
                    park_below(&ledger, 7);
                })
            });
            assert_eq!(text.lines().count(), 1 + 1 + 2 * 100);
        });
        assert_eq!(runs, 1, "only the panic of run itself");
        assert_eq!(ledger.made(), 8 + 100 + (1..=100).sum::<usize>());
        ledger.check();
        assert_eq!(Pool::free(), free);
    }
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}

#[test]
fn one_who_catches_the_unwinding_and_waits_again_is_unwound_again() {
    let attempts = Rc::new(Cell::new(0));
    let ledger = Ledger::default();
    let (counted, inner) = (attempts.clone(), ledger.clone());
    let text = panic_text(|| {
        leno::run(|| {
            leno::spawn(move || {
                for _ in 0..100 {
                    let _outside = inner.value();
                    let caught = panic::catch_unwind(AssertUnwindSafe(|| park_below(&inner, 3)));
                    assert!(caught.is_err());
                    counted.set(counted.get() + 1);
                }
                // Yielding and joining are no way out, either.
                assert!(panic::catch_unwind(leno::yield_now).is_err());
                let child = leno::spawn(|| ());
                assert!(panic::catch_unwind(AssertUnwindSafe(|| child.join())).is_err());
            });
        })
    });
    assert!(text.starts_with(TITLE));
    assert_eq!(attempts.get(), 100);
    ledger.check();
}

#[test]
fn destructors_may_wait_while_they_are_unwound() {
    struct Joins(Option<JoinHandle<u32>>, Rc<Cell<u32>>);
    impl Drop for Joins {
        fn drop(&mut self) {
            leno::yield_now();
            let child = leno::spawn(|| {
                (0..3).for_each(|_| leno::yield_now());
                30
            });
            let sum = self.0.take().unwrap().join().unwrap() + child.join().unwrap();
            self.1.set(self.1.get() + sum);
        }
    }
    let total = Rc::new(Cell::new(0));
    let inner = total.clone();
    let text = panic_text(|| {
        leno::run(|| {
            // It is unwound, too; but it answers with a value.
            let stubborn = leno::spawn(|| {
                let unwound = panic::catch_unwind(thread::park).is_err();
                if unwound { 12 } else { 0 }
            });
            let guard = Joins(Some(stubborn), inner);
            leno::spawn(move || {
                let _guard = guard;
                thread::park();
            });
        })
    });
    assert!(text.starts_with(TITLE));
    assert_eq!(total.get(), 42);
}

#[test]
fn one_deadlock_may_follow_another_while_destructors_run() {
    struct SpawnsParked(Ledger);
    impl Drop for SpawnsParked {
        fn drop(&mut self) {
            let ledger = self.0.clone();
            leno::spawn(move || park_below(&ledger, 2));
        }
    }
    let ledger = Ledger::default();
    let inner = ledger.clone();
    let text = panic_text(|| {
        leno::run(|| {
            leno::spawn(move || {
                let _spawns = SpawnsParked(inner);
                thread::park();
            });
        })
    });
    // The first report is the one that is told.
    assert_eq!(text.lines().count(), 1 + 1 + 2, "{text}");
    assert_eq!(ledger.made(), 3);
    ledger.check();
}

#[test]
fn those_who_joined_the_unwound_are_told_and_a_scope_counts_no_panic() {
    let outcome = Cell::new(None);
    let text = panic_text(|| {
        leno::run(|| {
            leno::scope(|scope| {
                let parked = scope.spawn(|| thread::park());
                assert!(panic::catch_unwind(thread::park).is_err());
                outcome.set(Some(parked.join().is_err()));
            });
        })
    });
    assert!(text.starts_with(TITLE), "{text}");
    assert_eq!(outcome.get(), Some(true));
}

#[test]
fn the_last_to_end_may_have_been_detached_with_a_large_result() {
    let text = panic_text(|| {
        leno::run(|| {
            let large = || {
                leno::yield_now();
                [1u8; 100 << 10]
            };
            Builder::new().stack_size(8 << 20).spawn(large).unwrap();
            thread::park();
        })
    });
    assert!(text.starts_with(TITLE));
}

#[test]
fn after_a_deadlock_old_handles_are_harmless() {
    type Handles = Vec<(JoinHandle<()>, Thread)>;
    let kept: Rc<RefCell<Handles>> = Rc::default();
    let inner = kept.clone();
    let text = panic_text(|| {
        leno::run(|| {
            for _ in 0..3 {
                let handle = leno::spawn(thread::park);
                let thread = handle.thread().clone();
                inner.borrow_mut().push((handle, thread));
            }
            thread::park();
        })
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
fn mains_own_panic_wins_and_the_report_is_printed() {
    in_child("deadlock::mains_own_panic_wins_and_the_report_is_printed", &[], || {
        let result = caught(|| {
            leno::run(|| {
                leno::spawn(thread::park);
                panic!("main has a say");
            })
        });
        assert_eq!(text_of(result.unwrap_err()), "main has a say");
    })
    .assert_survived()
    .stderr()
    .find(&format!("leno: {TITLE}\n  main "))
    .expect("the report is on standard error");
}

#[test]
fn those_who_wait_for_each_other_in_destructors_abort_with_the_report() {
    struct ParksForEver;
    impl Drop for ParksForEver {
        fn drop(&mut self) {
            thread::park();
        }
    }
    let ended = in_child(
        "deadlock::those_who_wait_for_each_other_in_destructors_abort_with_the_report",
        &[],
        || {
            leno::run(|| {
                leno::spawn(|| {
                    let _guard = ParksForEver;
                    thread::park();
                });
            });
        },
    );
    ended.assert_aborted(&format!("leno: {TITLE}"));
    ended.assert_aborted("leno: this is while they are unwound");
}

#[test]
fn one_who_catches_the_unwinding_for_ever_aborts_with_a_message() {
    in_child("deadlock::one_who_catches_the_unwinding_for_ever_aborts_with_a_message", &[], || {
        leno::run(|| while panic::catch_unwind(thread::park).is_err() {})
    })
    .assert_aborted(
        "leno: a green thread that is being unwound has caught the unwinding and waited again \
         1000 times; a loop around catch_unwind must end when it catches a payload that it does \
         not know",
    );
}

#[test]
fn a_deadlock_in_a_destructor_that_panics_is_not_hushed_up() {
    struct ParksForEver;
    impl Drop for ParksForEver {
        fn drop(&mut self) {
            thread::park();
        }
    }
    let ended =
        in_child("deadlock::a_deadlock_in_a_destructor_that_panics_is_not_hushed_up", &[], || {
            leno::run(|| {
                let _guard = ParksForEver;
                panic!("and then the destructor parks");
            });
        });
    // Rust ends a process in which a destructor panics during a panic.
    ended.assert_aborted(&format!("leno: {TITLE}"));
}
