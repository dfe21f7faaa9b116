//! Scopes: green threads that borrow.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic;

use leno::thread::{self, Builder};

use crate::support::{Ledger, OnDrop, caught, panic_text, text_of};

#[test]
fn a_scope_waits_for_its_borrowing_green_threads() {
    leno::run(|| {
        let text = "shared".to_owned();
        let mut counts = [0; 8];
        let total = leno::scope(|scope| {
            for count in &mut counts {
                scope.spawn(|| {
                    leno::yield_now();
                    *count = text.len();
                });
            }
            scope.spawn(|| text.len()).join().unwrap()
        });
        assert_eq!((total, counts), (6, [6; 8]));
    });
}

#[test]
fn a_scoped_green_thread_may_spawn_in_its_scope() {
    leno::run(|| {
        let log = RefCell::new(Vec::new());
        leno::scope(|scope| {
            scope.spawn(|| {
                log.borrow_mut().push(1);
                scope.spawn(|| {
                    log.borrow_mut().push(2);
                    scope.spawn(|| log.borrow_mut().push(3));
                });
            });
        });
        assert_eq!(log.into_inner(), [1, 2, 3]);
    });
}

#[test]
fn scopes_nest() {
    leno::run(|| {
        let count = Cell::new(0);
        let add = || {
            leno::yield_now();
            count.set(count.get() + 1);
        };
        leno::scope(|outer| {
            outer.spawn(|| {
                leno::scope(|inner| {
                    (0..3).for_each(|_| drop(inner.spawn(add)));
                });
                assert!(count.get() >= 3);
            });
            outer.spawn(add);
        });
        assert_eq!(count.get(), 4);
    });
}

#[test]
fn an_unjoined_panic_makes_the_scope_panic() {
    leno::run(|| {
        let finished = Cell::new(false);
        let text = panic_text(|| {
            leno::scope(|scope| {
                scope.spawn(|| panic::resume_unwind(Box::new("unseen")));
                scope.spawn(|| {
                    (0..3).for_each(|_| leno::yield_now());
                    finished.set(true);
                });
            });
        });
        assert_eq!(text, "a scoped green thread panicked");
        assert!(finished.get(), "the scope waits for the other green threads");
    });
}

#[test]
fn a_joined_panic_does_not_make_the_scope_panic() {
    leno::run(|| {
        let text = leno::scope(|scope| {
            let handle = scope.spawn(|| panic::resume_unwind(Box::new("seen")));
            text_of(handle.join().unwrap_err())
        });
        assert_eq!(text, "seen");
    });
}

#[test]
fn a_joined_panic_does_not_hide_another_panic() {
    leno::run(|| {
        let text = panic_text(|| {
            leno::scope(|scope| {
                let panics = || panic::resume_unwind(Box::new("one of two"));
                let seen = scope.spawn(panics);
                scope.spawn(panics);
                assert!(seen.join().is_err());
            });
        });
        assert_eq!(text, "a scoped green thread panicked");
    });
}

#[test]
fn a_panic_of_the_scope_waits_for_its_green_threads() {
    leno::run(|| {
        let (finished, ledger) = (Cell::new(false), Ledger::default());
        let text = panic_text(|| {
            leno::scope(|scope| {
                let value = ledger.value();
                scope.spawn(|| {
                    let _value = value;
                    leno::yield_now();
                    finished.set(true);
                    panic::resume_unwind(Box::new("the panic of the green thread"));
                });
                panic!("the scope itself");
            })
        });
        assert_eq!((text.as_str(), finished.get()), ("the scope itself", true));
        ledger.check();
    });
}

#[test]
fn a_forgotten_handle_leaks_only_its_result() {
    leno::run(|| {
        let (done, ledger) = (Cell::new(false), Ledger::default());
        leno::scope(|scope| {
            mem::forget(scope.spawn(|| {
                leno::yield_now();
                done.set(true);
                ledger.value()
            }));
        });
        assert!(done.get());
        assert_eq!((ledger.made(), ledger.alive()), (1, 1));
    });
}

#[test]
fn a_result_that_borrows_is_dropped_before_the_scope_ends() {
    struct Borrows<'a>(&'a Cell<u32>);
    impl Drop for Borrows<'_> {
        fn drop(&mut self) {
            leno::yield_now();
            self.0.set(self.0.get() + 1);
        }
    }
    leno::run(|| {
        let drops = Cell::new(0);
        leno::scope(|scope| {
            drop(scope.spawn(|| Borrows(&drops)));
            let kept = scope.spawn(|| Borrows(&drops));
            drop(scope.spawn(move || drop(kept)));
            let joined = scope.spawn(|| Borrows(&drops)).join();
            assert_eq!(drops.get(), 2);
            drop(joined);
        });
        assert_eq!(drops.get(), 3);
    });
}

#[test]
fn scoped_handles_have_names_and_ids() {
    leno::run(|| {
        leno::scope(|scope| {
            let builder = Builder::new().name("scoped".to_owned()).stack_size(64 << 10);
            let handle = builder.spawn_scoped(scope, || thread::current().id()).unwrap();
            assert_eq!(handle.thread().name(), Some("scoped"));
            assert!(!handle.is_finished());
            leno::yield_now();
            assert!(handle.is_finished());
            let id = handle.thread().id();
            assert_eq!(handle.join().unwrap(), id);
            let error = Builder::new().stack_size(usize::MAX).spawn_scoped(scope, || ());
            assert!(error.is_err());
        });
    });
}

#[test]
fn a_scope_works_in_a_destructor_during_a_panic() {
    leno::run(|| {
        let count = std::rc::Rc::new(Cell::new(0));
        let inner = count.clone();
        let handle = leno::spawn(move || {
            let _guard = OnDrop(|| {
                leno::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| inner.set(inner.get() + 1));
                    }
                });
            });
            panic::resume_unwind(Box::new(()));
        });
        assert!(handle.join().is_err());
        assert_eq!(count.get(), 3);
    });
}

#[test]
fn join_returns_each_of_a_thousand_panics() {
    leno::run(|| {
        leno::scope(|scope| {
            let handles: Vec<_> = (0..1_000u32)
                .map(|number| scope.spawn(move || panic::resume_unwind(Box::new(number))))
                .collect();
            for (number, handle) in handles.into_iter().enumerate() {
                let payload = handle.join().unwrap_err();
                assert_eq!(*payload.downcast::<u32>().unwrap(), number as u32);
            }
        });
        assert!(caught(|| leno::scope(|_| ())).is_ok());
    });
}
