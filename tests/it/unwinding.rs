//! The ways in which a coroutine ends: at least one test for each row of the table in
//! the documentation of `leno::coroutine`, and tests for combinations of rows.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;

use leno::coroutine::{self, Coroutine, Generator, Resumed, Yielder};
use leno::stack::{MIN_STACK_BYTES, Pool, Stack};

use crate::support::{Ledger, Tracked, caught, hook_runs, in_child, panic_text};

/// Runs `test`, which must not run the panic hook and must drop each value of the
/// ledger once.
#[track_caller]
fn silently(test: impl FnOnce(&Ledger)) {
    let ledger = Ledger::default();
    assert_eq!(hook_runs(|| test(&ledger)), 0, "the panic hook has run");
    ledger.check();
    assert!(ledger.made() > 0);
}

/// Returns a coroutine that suspends for ever with one captured value and three on its
/// stack.
fn holds_four(ledger: &Ledger) -> Coroutine<(), (), ()> {
    let (captured, values) = (ledger.value(), ledger.clone());
    Coroutine::new(move |yielder, ()| {
        let _captured = captured;
        let _two = [values.value(), values.value()];
        loop {
            let _temporary = values.value();
            yielder.suspend(());
        }
    })
}

#[test]
fn hook_runs_counts_reported_panics() {
    assert_eq!(hook_runs(|| drop(panic_text(|| panic!("one")))), 1);
    assert_eq!(hook_runs(|| drop(caught(|| panic::resume_unwind(Box::new(1))))), 0);
}

#[test]
fn a_returning_body_drops_its_values() {
    silently(|ledger| {
        let (captured, values) = (ledger.value(), ledger.clone());
        let coroutine = Coroutine::<(), (), Tracked>::new(move |_, ()| {
            let _captured = captured;
            values.value()
        });
        let Resumed::Return(value) = coroutine.resume(()) else { panic!("the coroutine returns") };
        assert_eq!((ledger.made(), ledger.alive()), (2, 1));
        drop(value);
        ledger.check();
    });
}

#[test]
fn a_panic_of_the_body_leaves_the_resume() {
    let ledger = Ledger::default();
    let values = ledger.clone();
    let coroutine = Coroutine::<bool, (), ()>::new(move |yielder, _| {
        let (_held, thrown) = (values.value(), values.value());
        if yielder.suspend(()) {
            let keep_alive = Box::new(std::thread::current().id());
            let _thrown = thrown;
            panic::panic_any(keep_alive);
        }
    });
    let runs = hook_runs(|| {
        coroutine.resume(true);
        let payload = caught(|| coroutine.resume(true)).expect_err("the body panics");
        let id = payload.downcast::<Box<thread::ThreadId>>().expect("the payload of the body");
        assert_eq!(**id, thread::current().id());
    });
    assert_eq!((runs, coroutine.is_done()), (1, true));
    ledger.check();
    assert_eq!(hook_runs(|| drop(coroutine)), 0);
}

#[test]
fn an_unstarted_coroutine_drops_only_its_closure() {
    silently(|ledger| {
        let create = |captured: Tracked| {
            Coroutine::<(), (), ()>::new(move |_, ()| {
                drop(captured);
                panic!("the closure never runs");
            })
        };
        drop(create(ledger.value()));
        ledger.check();
        let closed = create(ledger.value());
        closed.close();
        ledger.check();
        assert!(closed.is_done());
        closed.close();
    });
}

#[test]
fn dropping_or_closing_unwinds_a_suspended_coroutine() {
    silently(|ledger| {
        for resumes in 1..5 {
            let (dropped, closed) = (holds_four(ledger), holds_four(ledger));
            for _ in 0..resumes {
                assert_eq!(dropped.resume(()), Resumed::Yield(()));
                assert_eq!(closed.resume(()), Resumed::Yield(()));
            }
            assert_eq!(ledger.alive(), 8);
            drop(dropped);
            assert_eq!(ledger.alive(), 4);
            closed.close();
            ledger.check();
            assert!(closed.is_done());
            closed.close();
        }
    });
}

#[test]
fn a_body_may_catch_the_unwinding_and_return() {
    silently(|ledger| {
        let values = ledger.clone();
        let coroutine = Coroutine::<(), Tracked, Tracked>::new(move |yielder, ()| {
            let caught = panic::catch_unwind(AssertUnwindSafe(|| {
                let _held = values.value();
                yielder.suspend(values.value());
            }));
            assert!(caught.is_err() && !thread::panicking());
            values.value()
        });
        drop(coroutine.resume(()));
        coroutine.close();
        assert!(coroutine.is_done());
        assert_eq!(ledger.made(), 3);
    });
}

#[test]
fn a_body_that_suspends_again_is_unwound_again() {
    silently(|ledger| {
        for stubborn in [1, 2, 999] {
            let values = ledger.clone();
            let coroutine = Coroutine::<(), Tracked, ()>::new(move |yielder, ()| {
                for _ in 0..stubborn {
                    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
                        let _held = values.value();
                        yielder.suspend(values.value())
                    }));
                }
            });
            let before = ledger.made();
            drop(coroutine.resume(()));
            coroutine.close();
            assert_eq!(ledger.made() - before, 2 * stubborn);
        }
    });
}

#[test]
fn a_body_that_catches_every_unwinding_aborts() {
    const NAME: &str = "unwinding::a_body_that_catches_every_unwinding_aborts";
    let child = in_child(NAME, &[], || {
        let coroutine = Coroutine::<(), u32, ()>::new(|yielder, ()| {
            let mut times = 0;
            loop {
                eprintln!("suspended {times}");
                let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(times)));
                times += 1;
            }
        });
        coroutine.resume(());
        drop(coroutine);
    });
    child.assert_aborted(
        "leno: a coroutine that is being dropped has caught the unwinding and suspended again \
         1000 times; a loop around catch_unwind must end when it catches a payload that it does \
         not know",
    );
    assert!(child.stderr().contains("suspended 1000\n"));
    assert!(!child.stderr().contains("suspended 1001\n"));
}

struct SuspendsWhenDropped<'a>(&'a Yielder<(), ()>);

impl Drop for SuspendsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.suspend(());
    }
}

#[test]
fn a_destructor_that_suspends_during_unwinding_aborts() {
    const NAME: &str = "unwinding::a_destructor_that_suspends_during_unwinding_aborts";
    let child = in_child(NAME, &[], || {
        let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
            let _suspends = SuspendsWhenDropped(yielder);
            yielder.suspend(());
        });
        coroutine.resume(());
        drop(coroutine);
    });
    child.assert_aborted("panic in a destructor during cleanup");
}

#[test]
fn a_destructor_may_suspend_outside_unwinding() {
    silently(|ledger| {
        let value = ledger.value();
        let coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
            let _value = value;
            drop(SuspendsWhenDropped(yielder));
            let _second = SuspendsWhenDropped(yielder);
        });
        assert_eq!([0; 2].map(|_| coroutine.resume(())), [Resumed::Yield(()); 2]);
        assert_eq!(coroutine.resume(()), Resumed::Return(()));
    });
}

#[test]
fn a_panic_during_closing_leaves_the_close() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("from the destructor"));
        }
    }
    silently(|ledger| {
        let create = || {
            let values = ledger.clone();
            let coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
                let _held = values.value();
                let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
                panic::resume_unwind(Box::new("from the body"));
            });
            coroutine.resume(());
            coroutine
        };
        let closed = create();
        assert_eq!(panic_text(|| closed.close()), "from the body");
        assert!(closed.is_done());
        let dropped = create();
        assert_eq!(panic_text(|| drop(dropped)), "from the body");

        let captured = (PanicsWhenDropped, ledger.value());
        let new = Coroutine::<(), (), ()>::new(move |_, ()| drop(captured));
        assert_eq!(panic_text(|| drop(new)), "from the destructor");
    });
}

#[test]
fn a_panicking_yielded_value_does_not_stop_the_close() {
    struct Loud(#[expect(dead_code, reason = "only its drop matters")] Tracked);
    impl Drop for Loud {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("loud"));
        }
    }
    silently(|ledger| {
        let values = ledger.clone();
        let coroutine = Coroutine::<(), Option<Loud>, ()>::new(move |yielder, ()| {
            let _held = values.value();
            let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(None)));
            yielder.suspend(Some(Loud(values.value())));
        });
        assert!(coroutine.resume(()).as_yield().is_some());
        assert_eq!(panic_text(|| coroutine.close()), "loud");
        assert!(coroutine.is_done());
    });
}

#[test]
fn a_panic_of_the_owner_unwinds_its_coroutines() {
    let ledger = Ledger::default();
    let runs = hook_runs(|| {
        let text = panic_text(|| {
            let (_never_ran, suspended) = (holds_four(&ledger), holds_four(&ledger));
            suspended.resume(());
            panic!("the owner's panic");
        });
        assert_eq!(text, "the owner's panic");
    });
    assert_eq!((runs, ledger.made()), (1, 5));
    ledger.check();
    assert!(!thread::panicking());
}

#[test]
fn a_panic_during_a_drop_during_a_panic_aborts() {
    const NAME: &str = "unwinding::a_panic_during_a_drop_during_a_panic_aborts";
    let child = in_child(NAME, &[], || {
        let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
            panic::resume_unwind(Box::new("from the body"));
        });
        coroutine.resume(());
        let _dropped = coroutine;
        panic!("the owner's panic");
    });
    child.assert_aborted("leno: a coroutine that was dropped during a panic has panicked itself");
    assert!(child.stderr().contains("the owner's panic"));
}

#[test]
fn dropping_a_running_coroutine_aborts() {
    const NAME: &str = "unwinding::dropping_a_running_coroutine_aborts";
    let child = in_child(NAME, &[], || {
        let inner = Rc::new(RefCell::new(None));
        let inside = inner.clone();
        let outer = Coroutine::<(), (), ()>::new(move |outer, ()| {
            let outer = std::ptr::from_ref(outer).expose_provenance();
            let nested = Coroutine::<(), (), ()>::new(move |_, ()| {
                // SAFETY: the yielder is alive: the body that owns it waits for this
                // one.
                unsafe { &*std::ptr::with_exposed_provenance::<Yielder<(), ()>>(outer) }
                    .suspend(());
            });
            *inside.borrow_mut() = Some(Rc::new(nested));
            let nested: *const Coroutine<(), (), ()> =
                Rc::as_ptr(inside.borrow().as_ref().expect("put there"));
            // SAFETY: the process aborts before the drop below frees `nested`.
            unsafe { &*nested }.resume(());
        });
        outer.resume(());
        drop(inner.take());
    });
    child.assert_aborted("leno: a coroutine was dropped while it runs");
}

#[test]
fn a_forgotten_coroutine_runs_no_destructor_and_keeps_its_stack() {
    let ledger = Ledger::default();
    let stack = Stack::new(MIN_STACK_BYTES).expect("a stack");
    let forgotten = Rc::new(Cell::new(std::ptr::null::<u64>()));
    let (address, values) = (forgotten.clone(), ledger.clone());
    let coroutine = Coroutine::<(), (), ()>::with_stack(stack, move |yielder, ()| {
        let (_held, mark) = (values.value(), 0x1234_5678_9abc_u64);
        address.set(&mark);
        yielder.suspend(());
    });
    coroutine.resume(());
    std::mem::forget(coroutine);
    for _ in 0..100 {
        let other = Stack::new(MIN_STACK_BYTES).expect("a stack");
        let busy = Coroutine::<(), (), [u64; 64]>::with_stack(other, |_, ()| [7; 64]);
        assert!(busy.resume(()).as_return().is_some());
    }
    Pool::trim();
    // SAFETY: the stack of a forgotten coroutine is never reused.
    assert_eq!(unsafe { forgotten.get().read_volatile() }, 0x1234_5678_9abc);
    assert_eq!((ledger.made(), ledger.alive()), (1, 1));
}

#[test]
fn a_foreign_payload_passes_through_a_body_unchanged() {
    let inner = Coroutine::<(), (), ()>::new(|_, ()| panic::resume_unwind(Box::new(7u8)));
    let outer = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let payload = caught(|| inner.resume(())).expect_err("the inner body panics");
        yielder.suspend(());
        panic::resume_unwind(payload);
    });
    assert_eq!(hook_runs(|| assert_eq!(outer.resume(()), Resumed::Yield(()))), 0);
    let payload = caught(|| outer.resume(())).expect_err("the outer body resumes the panic");
    assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
}

#[test]
fn an_unwinding_payload_may_move_to_another_coroutine() {
    silently(|ledger| {
        let stolen = Rc::new(RefCell::new(None));
        let thief = |ledger: &Ledger| {
            let (values, stolen) = (ledger.clone(), stolen.clone());
            Coroutine::<(), (), ()>::new(move |yielder, ()| {
                let _held = values.value();
                let caught = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
                stolen.replace(caught.err());
            })
        };
        let first = thief(ledger);
        first.resume(());
        first.close();
        let payload = stolen.take().expect("the payload was caught");
        let second = Coroutine::<(), (), ()>::new(move |yielder, ()| {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
            panic::resume_unwind(payload);
        });
        second.resume(());
        // The payload belongs to the first coroutine, so here it is an ordinary panic.
        assert!(caught(|| second.close()).is_err());
        assert!(second.is_done());
    });
}

#[test]
fn unwinding_passes_through_nested_coroutines() {
    silently(|ledger| {
        let values = ledger.clone();
        let outer = Coroutine::<(), (), ()>::new(move |outer, ()| {
            let idle = holds_four(&values);
            idle.resume(());
            let _new = holds_four(&values);
            let mut numbers = Generator::new({
                let value = values.value();
                move |yielder: &Yielder<(), u8>| {
                    let _value = value;
                    (0..9).for_each(|n| yielder.suspend(n));
                }
            });
            numbers.next();
            coroutine::scope(|scope| {
                let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                    let _held = values.value();
                    let inmost = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
                    inmost.resume(());
                    outer.suspend(());
                });
                inner.resume(());
            });
        });
        outer.resume(());
        assert_eq!(ledger.alive(), 4 + 1 + 1 + 1);
        outer.close();
    });
}

#[test]
fn a_nested_coroutine_may_resume_the_outer_unwinding() {
    silently(|ledger| {
        let values = ledger.clone();
        let outer = Coroutine::<(), u32, ()>::new(move |outer, ()| {
            let _held = values.value();
            coroutine::scope(|scope| {
                let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                    let _held = values.value();
                    let first = caught(|| outer.suspend(1)).expect_err("unwound");
                    // A second suspend at the same place is unwound again.
                    assert!(caught(|| outer.suspend(2)).is_err());
                    panic::resume_unwind(first);
                });
                inner.resume(());
            });
        });
        assert_eq!(outer.resume(()), Resumed::Yield(1));
        outer.close();
        assert!(outer.is_done());
    });
}

#[test]
fn the_end_of_an_os_thread_unwinds_its_coroutines() {
    /// A value that sends a text to another OS thread when it is dropped.
    struct Tells(std::sync::mpsc::Sender<&'static str>, &'static str);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(self.1);
        }
    }
    thread_local! {
        static KEPT: RefCell<Vec<Coroutine<(), (), ()>>> = const { RefCell::new(Vec::new()) };
    }
    let create = |tells: Tells| {
        Coroutine::<(), (), ()>::new(move |yielder, ()| {
            let _tells = tells;
            let nested = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
            nested.resume(());
            yielder.suspend(());
        })
    };
    for pool_first in [true, false] {
        let (sender, receiver) = std::sync::mpsc::channel();
        let ended = thread::spawn(move || {
            if pool_first {
                drop(Stack::new(MIN_STACK_BYTES));
            }
            // Thread-locals are destroyed in the reverse order of their first use:
            // `KEPT` before the pool of stacks, or after it.
            KEPT.with_borrow(|kept| assert!(kept.is_empty()));
            let suspended = create(Tells(sender.clone(), "suspended"));
            suspended.resume(());
            let new = create(Tells(sender, "new"));
            KEPT.with_borrow_mut(|kept| kept.extend([suspended, new]));
        });
        ended.join().expect("no panic");
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["suspended", "new"]);
    }
}
