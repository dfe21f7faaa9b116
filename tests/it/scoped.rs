//! Scoped coroutines: whatever happens to the handles, no coroutine outlives what it
//! borrows, and each destructor runs once.

use std::cell::{Cell, OnceCell, RefCell};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::coroutine::{self, Coroutine, Resumed, Scope, ScopedCoroutine, Yielder};
use leno::stack::{MIN_STACK_BYTES, Stack};

use crate::support::{Ledger, Tracked, hook_runs, panic_text};

type Handle<'scope> = ScopedCoroutine<'scope, (), (), ()>;

/// Returns a coroutine that borrows the ledger and suspends for ever.
fn borrows<'scope>(scope: &'scope Scope<'scope, '_>, ledger: &'scope Ledger) -> Handle<'scope> {
    let captured = ledger.value();
    scope.coroutine(move |yielder, ()| {
        let _captured = captured;
        loop {
            let _held = ledger.value();
            yielder.suspend(());
        }
    })
}

#[test]
fn a_scoped_coroutine_borrows_from_the_frame_around_it() {
    let words = ["warp".to_owned(), "weft".to_owned()];
    let mut lengths = vec![];
    let total = coroutine::scope(|scope| {
        let reader = scope.coroutine(|yielder: &Yielder<(), &str>, ()| {
            for word in &words {
                yielder.suspend(word.as_str());
                lengths.push(word.len());
            }
            lengths.len()
        });
        let first = reader.resume(()).as_yield().expect("a word");
        assert!(std::ptr::eq(first, words[0].as_str()));
        assert!(reader.is_started() && !reader.is_done());
        assert_eq!(reader.resume(()), Resumed::Yield("weft"));
        let total = reader.resume(()).as_return();
        assert!(reader.is_done());
        total
    });
    assert_eq!((total, lengths), (Some(2), vec![4, 4]));
}

#[test]
fn a_scope_closes_its_coroutines_at_its_end() {
    let ledger = &Ledger::default();
    let hooks = hook_runs(|| {
        coroutine::scope(|scope| {
            let mut handles: Vec<_> = (0..10).map(|_| borrows(scope, ledger)).collect();
            let used = handles.iter().skip(5);
            used.for_each(|handle| assert!(handle.resume(()).as_yield().is_some()));
            drop(handles.remove(7));
            assert_eq!(ledger.alive(), 5 + 2 * 4);
            mem::forget(handles);
            assert_eq!(ledger.alive(), 5 + 2 * 4);
        });
    });
    assert_eq!((hooks, ledger.made()), (0, 15));
    ledger.check();
}

struct Cycle<'scope>(Handle<'scope>, OnceCell<Rc<Cycle<'scope>>>);

#[test]
fn a_scope_closes_coroutines_of_leaked_handles() {
    let ledger = &Ledger::default();
    coroutine::scope(|scope| {
        let forgotten = borrows(scope, ledger);
        forgotten.resume(());
        mem::forget(forgotten);
        let leaked = Box::leak(Box::new(borrows(scope, ledger)));
        leaked.resume(());
        leaked.resume(());
        let cycle = Rc::new(Cycle(borrows(scope, ledger), OnceCell::new()));
        cycle.0.resume(());
        assert!(cycle.1.set(cycle.clone()).is_ok());
    });
    ledger.check();
}

#[test]
fn handles_may_be_swapped() {
    let ledger = &Ledger::default();
    coroutine::scope(|scope| {
        let number = |n: u32| {
            scope.coroutine(move |yielder: &Yielder<(), u32>, ()| {
                let _held = ledger.value();
                for step in 0.. {
                    yielder.suspend(n * 10 + step);
                }
            })
        };
        let (mut one, mut two) = (number(1), number(2));
        assert_eq!(one.resume(()), Resumed::Yield(10));
        mem::swap(&mut one, &mut two);
        assert_eq!(one.resume(()), Resumed::Yield(20));
        assert_eq!(two.resume(()), Resumed::Yield(11));
        let replaced = mem::replace(&mut one, number(3));
        assert_eq!((one.resume(()), replaced.resume(())), (Resumed::Yield(30), Resumed::Yield(21)));
        one = two;
        assert_eq!(ledger.alive(), 2);
        coroutine::scope(|inner_scope| {
            let inner = inner_scope.coroutine(|yielder: &Yielder<(), u32>, ()| yielder.suspend(40));
            // A variable of the inner scope's type takes a handle of the outer scope.
            let mut place = inner;
            mem::forget(mem::replace(&mut place, one));
            assert_eq!(place.resume(()), Resumed::Yield(12));
        });
        assert_eq!(ledger.alive(), 1);
        mem::forget(replaced);
    });
    ledger.check();
}

#[test]
fn a_scope_frees_a_coroutine_that_owns_its_handle() {
    let ledger = &Ledger::default();
    for resumes in 0..3 {
        coroutine::scope(|scope| {
            let slot: Rc<OnceCell<Handle<'_>>> = Rc::default();
            let (own, values) = (slot.clone(), ledger);
            let handle = scope.coroutine(move |yielder, ()| {
                let _held = (values.value(), own);
                loop {
                    yielder.suspend(());
                }
            });
            assert!(slot.set(handle).is_ok());
            (0..resumes)
                .for_each(|_| assert!(slot.get().expect("set").resume(()).as_yield().is_some()));
        });
        ledger.check();
    }
}

/// A value whose destructor takes stacks from the pool and keeps them in use.
struct TakesStacks<'scope> {
    text: String,
    kept: &'scope RefCell<Vec<Coroutine<(), u32, ()>>>,
    held: Tracked,
}

impl Drop for TakesStacks<'_> {
    fn drop(&mut self) {
        for n in 0..3 {
            // `fill` lands where the previous owner of the stack had its control block.
            let fill = [0xaa_u8; 512];
            let other = Coroutine::new(move |yielder: &Yielder<(), u32>, ()| {
                for n in n.. {
                    yielder.suspend(n + u32::from(fill[n as usize]) - 0xaa);
                }
            });
            assert_eq!(other.resume(()), Resumed::Yield(n));
            self.kept.borrow_mut().push(other);
        }
        let _ = &self.held;
        assert_eq!(self.text, "still here");
    }
}

/// Values dropped while the scope closes a coroutine: first the coroutine's own handle,
/// then a value that takes stacks.
type Hazard<'scope> =
    (Rc<OnceCell<ScopedCoroutine<'scope, (), Holds<'scope>, Holds<'scope>>>>, TakesStacks<'scope>);
struct Holds<'scope>(#[allow(dead_code)] Option<Box<Hazard<'scope>>>);

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Closure,
    Frame,
    Yielded,
    Returned,
}

/// Drops a coroutine's handle, from `place`, while the scope closes the coroutine.
fn drop_a_handle_while_its_coroutine_is_closed(place: Place) {
    let ledger = &Ledger::default();
    let kept = RefCell::default();
    coroutine::scope(|scope| {
        let slot: Rc<OnceCell<ScopedCoroutine<'_, (), Holds<'_>, Holds<'_>>>> = Rc::default();
        let takes = TakesStacks { text: "still here".into(), kept: &kept, held: ledger.value() };
        let hazard = (slot.clone(), takes);
        let handle = scope.coroutine(move |yielder: &Yielder<(), Holds<'_>>, ()| {
            let hazard = hazard;
            if place == Place::Frame {
                loop {
                    yielder.suspend(Holds(None));
                }
            }
            let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(Holds(None))));
            let holds = Holds(Some(Box::new(hazard)));
            if place == Place::Yielded {
                yielder.suspend(holds);
                return Holds(None);
            }
            holds
        });
        assert!(slot.set(handle).is_ok());
        if place != Place::Closure {
            drop(slot.get().expect("set").resume(()));
        }
    });
    ledger.check();
    // The coroutines on reused stacks are still intact.
    for (n, other) in (0..).zip(kept.into_inner()) {
        assert!(!other.is_done());
        assert_eq!(other.resume(()), Resumed::Yield(n + 1));
    }
}

#[test]
fn a_handle_dropped_while_its_coroutine_is_closed_is_harmless() {
    for place in [Place::Closure, Place::Frame, Place::Yielded, Place::Returned] {
        drop_a_handle_while_its_coroutine_is_closed(place);
    }
}

#[test]
fn a_coroutine_may_hold_a_handle_of_a_closed_coroutine() {
    let ledger = &Ledger::default();
    // One of the two cases meets the order in which the scope closes them.
    for first_holds in [true, false] {
        for resumed in [true, false] {
            coroutine::scope(|scope| {
                let slots: [Rc<RefCell<Option<Handle<'_>>>>; 2] = Default::default();
                let pair = slots.clone().map(|slot| {
                    scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
                        let _held = (ledger.value(), &slot);
                        yielder.suspend(());
                    })
                });
                pair.iter()
                    .filter(|_| resumed)
                    .for_each(|it| assert!(it.resume(()).as_yield().is_some()));
                let [first, second] = pair;
                if first_holds {
                    slots[0].replace(Some(second));
                    mem::forget(first);
                } else {
                    slots[1].replace(Some(first));
                    mem::forget(second);
                }
            });
            ledger.check();
        }
    }
}

#[test]
fn a_destructor_may_use_handles_of_closed_coroutines() {
    struct Uses<'scope>(Rc<RefCell<Vec<Handle<'scope>>>>, Rc<Cell<u32>>);
    impl Drop for Uses<'_> {
        fn drop(&mut self) {
            for handle in self.0.take() {
                handle.close();
                assert!(handle.is_done() && handle.is_started());
                assert!(format!("{handle:?}").contains("done"));
                self.1.set(self.1.get() + 1);
            }
        }
    }
    let ledger = &Ledger::default();
    let used = Rc::new(Cell::new(0));
    coroutine::scope(|scope| {
        let handles = Rc::default();
        let uses = Uses(Rc::clone(&handles), used.clone());
        let user = scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
            let _uses = &uses;
            yielder.suspend(());
        });
        user.resume(());
        mem::forget(user);
        for resumes in 0..4 {
            let handle = borrows(scope, ledger);
            (0..resumes).for_each(|_| assert!(handle.resume(()).as_yield().is_some()));
            handles.borrow_mut().push(handle);
        }
    });
    assert_eq!(used.get(), 4);
    ledger.check();
}

#[test]
fn destructors_in_a_closing_scope_may_create_coroutines() {
    struct Creates<'scope, 'env>(&'scope Scope<'scope, 'env>, &'scope Ledger, u32);
    impl Drop for Creates<'_, '_> {
        fn drop(&mut self) {
            let (Creates(scope, ledger, left), value) = (&*self, self.1.value());
            if *left > 0 {
                let more = Creates(scope, ledger, *left - 1);
                let created = scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
                    let _held = (value, more);
                    yielder.suspend(());
                });
                created.resume(());
                mem::forget(created);
            }
        }
    }
    let ledger = &Ledger::default();
    coroutine::scope(|scope| drop(Creates(scope, ledger, 50)));
    assert_eq!(ledger.made(), 51);
    ledger.check();
}

#[test]
fn a_scope_that_panics_closes_its_coroutines_first() {
    let ledger = &Ledger::default();
    let text = panic_text(|| {
        coroutine::scope(|scope| {
            let one = borrows(scope, ledger);
            one.resume(());
            mem::forget(one);
            let _two = borrows(scope, ledger);
            if ledger.alive() == 3 {
                panic!("in the scope");
            }
        });
    });
    assert_eq!((text.as_str(), ledger.made()), ("in the scope", 3));
    ledger.check();
}

#[test]
fn a_panic_during_closing_does_not_spare_other_coroutines() {
    let ledger = &Ledger::default();
    let text = panic_text(|| {
        coroutine::scope(|scope| {
            for n in 0..4 {
                let handle = scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
                    let _held = ledger.value();
                    let _ = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
                    if n % 2 == 1 {
                        panic::resume_unwind(Box::new("while the scope closes the coroutine"));
                    }
                });
                handle.resume(());
                mem::forget(handle);
            }
        });
    });
    assert_eq!((text.as_str(), ledger.made()), ("while the scope closes the coroutine", 4));
    ledger.check();
}

#[test]
fn nested_scopes_close_their_own_coroutines() {
    let ledger = &Ledger::default();
    coroutine::scope(|outer| {
        let keeper = borrows(outer, ledger);
        keeper.resume(());
        for _ in 0..3 {
            coroutine::scope(|inner| {
                let borrowed = &keeper;
                let relay = inner.coroutine(move |yielder: &Yielder<(), ()>, ()| {
                    borrowed.resume(());
                    let _own = borrows(inner, ledger);
                    yielder.suspend(());
                });
                relay.resume(());
                mem::forget(relay);
                mem::forget(borrows(inner, ledger));
                assert_eq!(ledger.alive(), 4);
            });
            assert_eq!(ledger.alive(), 2);
        }
    });
    ledger.check();
}

#[test]
fn a_scope_closes_a_coroutine_suspended_inside_another() {
    let ledger = &Ledger::default();
    for forget_inner in [true, false] {
        coroutine::scope(|scope| {
            let outer = scope.coroutine(|outer: &Yielder<(), ()>, ()| {
                let _held = ledger.value();
                coroutine::scope(|inner_scope| {
                    let inner = inner_scope.coroutine(|_: &Yielder<(), ()>, ()| {
                        let _held = ledger.value();
                        outer.suspend(());
                    });
                    inner.resume(());
                    if forget_inner {
                        mem::forget(inner);
                    }
                });
            });
            outer.resume(());
            assert_eq!(ledger.alive(), 2);
            mem::forget(outer);
        });
        ledger.check();
    }
}

#[test]
fn a_scope_returns_each_stack_once() {
    // The OS thread is new, so its pool is empty.
    let ended = std::thread::spawn(|| {
        let stack = || Stack::new(MIN_STACK_BYTES).expect("a stack");
        let free = || leno::stack::Pool::free();
        for round in 0..3 {
            coroutine::scope(|scope| {
                for n in 0..8 {
                    let body = |yielder: &Yielder<(), ()>, ()| yielder.suspend(());
                    let handle = scope.coroutine_with_stack(stack(), body);
                    if n % 4 > 0 {
                        handle.resume(());
                    }
                    if n % 4 > 1 {
                        handle.close();
                    }
                    if n % 2 == 0 {
                        mem::forget(handle);
                    }
                }
            });
            // At most eight handles are forgotten; the other stacks are reused at once.
            assert!((1..=8).contains(&free()), "{} in round {round}", free());
        }
        let before = free();
        let taken: Vec<_> = (0..before).map(|_| stack()).collect();
        assert_eq!(free(), 0);
        let limits: std::collections::HashSet<_> = taken.into_iter().map(address_on).collect();
        assert_eq!(limits.len(), before);
    });
    ended.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
}

/// Returns the address of a local on `stack`.
fn address_on(stack: Stack) -> usize {
    let coroutine = Coroutine::<(), usize, ()>::with_stack(stack, |yielder, ()| {
        let local = 0u8;
        yielder.suspend(std::ptr::from_ref(&local).addr());
    });
    let address = coroutine.resume(()).as_yield().expect("an address");
    mem::forget(coroutine);
    address
}
