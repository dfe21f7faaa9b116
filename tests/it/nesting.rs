//! Coroutines inside coroutines, and among green threads.

use std::cell::RefCell;
use std::rc::Rc;

use leno::coroutine::{self, Coroutine, Resumed, Yielder};

use crate::coroutine::RUNNING;
use crate::support::{Ledger, Tracked, on_foreign_stack, panic_text};

fn count_down(depth: u32) -> u32 {
    if depth == 0 {
        return 0;
    }
    let inner = Coroutine::<u32, u32, u32>::new(|yielder, depth| {
        let next = yielder.suspend(depth);
        1 + count_down(next)
    });
    assert_eq!(inner.resume(depth), Resumed::Yield(depth));
    inner.resume(depth - 1).as_return().expect("the coroutine returns")
}

#[test]
fn coroutines_nest_thousands_deep() {
    assert_eq!(count_down(5_000), 5_000);
}

/// Descends through nested coroutines, and suspends the outermost from the bottom and
/// at each level on the way up.
fn dive(depth: u32, outermost: &Yielder<u32, u32>, ledger: &Ledger) -> u32 {
    let _held = ledger.value();
    if depth == 0 {
        return outermost.suspend(0);
    }
    coroutine::scope(|scope| {
        let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| {
            let found = dive(depth - 1, outermost, ledger);
            found + outermost.suspend(depth)
        });
        inner.resume(()).as_return().expect("the nested coroutine never suspends itself")
    })
}

const DEPTH: u32 = 1_500;

#[test]
fn a_deeply_nested_coroutine_suspends_the_outermost() {
    let ledger = Ledger::default();
    let inside = ledger.clone();
    let outermost =
        Coroutine::<u32, u32, u32>::new(move |yielder, depth| dive(depth, yielder, &inside));
    assert_eq!(outermost.resume(DEPTH), Resumed::Yield(0));
    for depth in 1..=DEPTH {
        assert_eq!(outermost.resume(depth), Resumed::Yield(depth));
        assert_eq!(ledger.alive() as u32, DEPTH + 1 - depth);
    }
    assert_eq!(outermost.resume(1), Resumed::Return(1 + DEPTH * (DEPTH + 1) / 2));
    ledger.check();
}

#[test]
fn dropping_the_outermost_unwinds_all_nested_coroutines() {
    let ledger = Ledger::default();
    for stop in [0, 1, DEPTH / 2, DEPTH] {
        let inside = ledger.clone();
        let outermost =
            Coroutine::<u32, u32, u32>::new(move |yielder, depth| dive(depth, yielder, &inside));
        outermost.resume(DEPTH);
        (0..stop).for_each(|_| assert!(outermost.resume(0).as_yield().is_some()));
        assert!(ledger.alive() > 0 && !outermost.is_done());
        drop(outermost);
        ledger.check();
    }
}

#[test]
fn a_nested_coroutine_may_suspend_any_outer_one() {
    let outer = Coroutine::<u32, String, u32>::new(|outer: &Yielder<u32, String>, _| {
        coroutine::scope(|scope| {
            let middle = scope.coroutine(|middle: &Yielder<u32, String>, _: u32| {
                coroutine::scope(|scope| {
                    let inner = scope.coroutine(|inner: &Yielder<u32, String>, _: u32| {
                        let one = outer.suspend("inner to outer".into());
                        let two = middle.suspend(format!("inner to middle {one}"));
                        let three = inner.suspend(format!("inner {two}"));
                        let four = outer.suspend(format!("inner to outer {three}"));
                        four + middle.suspend("inner to middle".into())
                    });
                    let text = inner.resume(0).as_yield().expect("inner's own text");
                    let three = middle.suspend(text);
                    inner.resume(three).as_return().expect("inner returns")
                })
            });
            let text = middle.resume(0).as_yield().expect("a text from inner");
            let two = outer.suspend(text);
            let text = middle.resume(two).as_yield().expect("a text from middle");
            let three = outer.suspend(text);
            assert_eq!(middle.resume(three), Resumed::Yield("inner to middle".into()));
            let five = outer.suspend("outer".into());
            middle.resume(five).as_return().expect("middle returns")
        })
    });
    let texts = ["inner to outer", "inner to middle 1", "inner 2", "inner to outer 3", "outer"];
    for (input, text) in texts.into_iter().enumerate() {
        assert_eq!(outer.resume(input as u32), Resumed::Yield(text.to_owned()));
    }
    assert_eq!(outer.resume(5), Resumed::Return(4 + 5));
}

/// Returns a coroutine that suspends from inside a nested one, with 1, 2, 3 and so on.
fn counts_from_inside() -> Rc<Coroutine<(), u32, ()>> {
    Rc::new(Coroutine::new(|yielder, ()| {
        coroutine::scope(|scope| {
            let nested = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                for n in 1.. {
                    yielder.suspend(n);
                }
            });
            nested.resume(());
        });
    }))
}

#[test]
fn any_resumer_may_resume_a_nested_suspension() {
    let shared = counts_from_inside();
    let relay = || {
        let shared = shared.clone();
        Coroutine::<(), Resumed<u32, ()>, ()>::new(move |yielder, ()| {
            loop {
                yielder.suspend(shared.resume(()));
            }
        })
    };
    let relays = [relay(), relay(), relay()];
    let mut expected = 0;
    for turn in 0..40 {
        expected += 1;
        if turn % 4 == 3 {
            assert_eq!(shared.resume(()), Resumed::Yield(expected));
        } else {
            let relay = &relays[turn * 7 % 3];
            assert_eq!(relay.resume(()), Resumed::Yield(Resumed::Yield(expected)));
        }
        assert!(shared.is_started() && !shared.is_done());
    }
    drop(relays);
    assert_eq!(shared.resume(()), Resumed::Yield(41));
    assert_eq!(Rc::strong_count(&shared), 1);
}

#[test]
fn a_yielder_panics_on_a_foreign_stack() {
    let coroutine = Coroutine::<(), u32, u32>::new(|yielder, ()| {
        yielder.suspend(1);
        let text = on_foreign_stack(|| panic_text(|| yielder.suspend(2)));
        assert!(text.contains("this runs on a stack that is not leno's: that of"), "{text}");
        assert!(!text.contains("green thread"), "{text}");
        // Nor does a nested coroutine lead back from there.
        let text = on_foreign_stack(|| {
            coroutine::scope(|scope| {
                let inner =
                    scope.coroutine(|_: &Yielder<(), ()>, ()| panic_text(|| yielder.suspend(2)));
                inner.resume(()).as_return().expect("it never suspends itself")
            })
        });
        assert!(text.contains("a stack that is not leno's"), "{text}");
        yielder.suspend(3);
        4
    });
    let all = [1, 3].map(Resumed::Yield).into_iter().chain([Resumed::Return(4)]);
    all.for_each(|expected| assert_eq!(coroutine.resume(()), expected));
}

#[test]
fn a_yielder_panics_on_another_green_thread() {
    let ledger = Ledger::default();
    let inside = ledger.clone();
    let coroutine = Coroutine::<(), Option<Tracked>, u32>::new(move |yielder, ()| {
        leno::scope(|scope| {
            let direct = scope.spawn(|| panic_text(|| yielder.suspend(Some(inside.value()))));
            let nested = scope.spawn(|| {
                coroutine::scope(|scope| {
                    let nested = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                        panic_text(|| yielder.suspend(Some(inside.value())))
                    });
                    nested
                        .resume(())
                        .as_return()
                        .expect("the nested coroutine never suspends itself")
                })
            });
            for text in [direct, nested].map(|thread| thread.join().expect("caught")) {
                assert!(text.starts_with("a yielder suspends only what runs inside"), "{text}");
                assert!(text.contains("this is a green thread of its own"), "{text}");
            }
        });
        yielder.suspend(None);
        8
    });
    leno::run(|| {
        assert!(matches!(coroutine.resume(()), Resumed::Yield(None)));
        ledger.check();
        assert!(matches!(coroutine.resume(()), Resumed::Return(8)));
    });
    assert_eq!(ledger.made(), 2);
}

#[test]
fn green_threads_share_a_chain_of_coroutines() {
    let shared = counts_from_inside();
    let seen = Rc::new(RefCell::new(Vec::new()));
    leno::run(|| {
        for _ in 0..5 {
            let (shared, seen) = (shared.clone(), seen.clone());
            leno::spawn(move || {
                let chain = Coroutine::<(), u32, ()>::new(move |yielder, ()| {
                    loop {
                        yielder.suspend(
                            shared.resume(()).as_yield().expect("the coroutine counts for ever"),
                        );
                    }
                });
                for _ in 0..20 {
                    seen.borrow_mut()
                        .push(chain.resume(()).as_yield().expect("the chain counts for ever"));
                    leno::yield_now();
                }
            });
        }
    });
    assert_eq!(*seen.borrow(), (1..=100).collect::<Vec<u32>>());
}

#[test]
fn a_coroutine_may_yield_and_join_green_threads() {
    leno::run(|| {
        let shared = Rc::new(Coroutine::<(), u32, u32>::new(|yielder, ()| {
            leno::yield_now();
            yielder.suspend(1);
            leno::yield_now();
            leno::spawn(|| 40).join().expect("no panic") + 2
        }));
        let other = shared.clone();
        let first = leno::spawn(move || (shared.resume(()), shared.resume(())));
        let second = leno::spawn(move || {
            let own = Coroutine::<(), (), u8>::new(|_, ()| {
                leno::yield_now();
                3
            });
            (panic_text(|| other.resume(())), own.resume(()))
        });
        let both = (Resumed::Yield(1), Resumed::Return(42));
        assert_eq!(first.join().expect("no panic"), both);
        assert_eq!(second.join().expect("no panic"), (RUNNING.to_owned(), Resumed::Return(3)));
    });
}
