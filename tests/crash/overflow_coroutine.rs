//! Overflows of a coroutine's stack.

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::coroutine::{self, Coroutine, Generator, Resumed, Yielder};
use leno::stack::{MIN_STACK_BYTES, Pool, Stack};

use crate::harness::{BODY, DEFAULT, INNER, Owner, overflows};
use crate::recursion::{DeepDrop, deep, deep_and_large, large_frame, leap, overflow, quiet_panics};

const COROUTINE: Owner = Owner::Coroutine { body: BODY };
const INNER_COROUTINE: Owner = Owner::Coroutine { body: INNER };

type Plain = Coroutine<(), (), ()>;

fn small_stack() -> Stack {
    Stack::new(MIN_STACK_BYTES).expect("there is room")
}

#[test]
fn the_first_frame_is_larger_than_the_stack() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| large_frame::<{ 1 << 20 }>()).resume(());
    });
}

#[test]
fn a_deep_recursion() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn a_deep_recursion_after_a_suspension() {
    overflows(COROUTINE, DEFAULT, || {
        let coroutine = Plain::new(|yielder, ()| {
            yielder.suspend(());
            overflow();
        });
        coroutine.resume(());
        coroutine.resume(());
    });
}

#[test]
fn frames_larger_than_a_page() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| deep_and_large::<10_000>(0)).resume(());
    });
}

#[test]
fn frames_larger_than_the_guard() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| deep_and_large::<100_000>(0)).resume(());
    });
}

extern "C" fn touch() {
    large_frame::<64>();
}

#[test]
fn an_unprobed_frame_that_ends_deep_in_the_guard() {
    overflows(COROUTINE, MIN_STACK_BYTES, || {
        // SAFETY: `touch` writes into the guard, at most 60 KiB below the stack.
        Plain::with_stack(small_stack(), |_, ()| unsafe { leap(64 << 10, touch) }).resume(());
    });
}

#[test]
fn inside_a_destructor() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| drop(DeepDrop)).resume(());
    });
}

#[test]
fn inside_a_destructor_while_unwinding() {
    overflows(COROUTINE, DEFAULT, || {
        quiet_panics();
        let coroutine = Plain::new(|_, ()| {
            let _deep = DeepDrop;
            panic!("unwinds through the destructor");
        });
        coroutine.resume(());
    });
}

#[test]
fn after_a_caught_panic() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| {
            let _ = panic::catch_unwind(|| panic::resume_unwind(Box::new(0)));
            overflow();
        })
        .resume(());
    });
}

#[test]
fn while_the_coroutine_is_closed() {
    overflows(COROUTINE, DEFAULT, || {
        let coroutine = Plain::new(|yielder, ()| {
            let _deep = DeepDrop;
            yielder.suspend(());
        });
        coroutine.resume(());
        coroutine.close();
    });
}

#[test]
fn while_the_coroutine_is_dropped_during_a_panic() {
    overflows(COROUTINE, DEFAULT, || {
        quiet_panics();
        let coroutine = Plain::new(|yielder, ()| {
            let _deep = DeepDrop;
            yielder.suspend(());
        });
        coroutine.resume(());
        panic!("drops the coroutine");
    });
}

#[test]
fn a_nested_coroutine_is_named() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| {
            Plain::new(|_, ()| overflow()).resume(());
        })
        .resume(());
    });
}

#[test]
fn the_outer_coroutine_is_named_after_a_nested_one() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| {
            let inner = Plain::new(|yielder, ()| yielder.suspend(()));
            inner.resume(());
            overflow();
        })
        .resume(());
    });
}

#[test]
fn the_innermost_of_ten_coroutines_is_named() {
    fn nest(levels: u32) {
        if levels == 0 {
            Plain::new(|_, ()| overflow()).resume(());
        } else {
            Plain::new(move |_, ()| nest(levels - 1)).resume(());
        }
    }
    let innermost = Owner::Coroutine {
        body: "crash::overflow_coroutine::the_innermost_of_ten_coroutines_is_named::nest::{{closure}}",
    };
    overflows(innermost, DEFAULT, || nest(10));
}

#[test]
fn in_a_coroutine_suspended_by_a_nested_one() {
    let owner = Owner::Coroutine { body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        // The inner coroutine suspends the outer one, and overflows after the resume.
        let outer = Plain::new(|outer: &Yielder<(), ()>, ()| {
            coroutine::scope(|scope| {
                let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                    outer.suspend(());
                    overflow();
                });
                inner.resume(());
            });
        });
        outer.resume(());
        outer.resume(());
    });
}

#[test]
fn the_new_user_of_a_reused_stack_is_named() {
    overflows(COROUTINE, DEFAULT, || {
        fn first(_: &Yielder<(), ()>, (): ()) {}
        let before = Plain::new(first);
        before.resume(());
        drop(before);
        let free = Pool::free();
        let coroutine = Plain::new(|_, ()| overflow());
        assert_eq!(Pool::free() + 1, free, "the stack comes from the pool");
        coroutine.resume(());
    });
}

#[test]
fn on_a_stack_of_a_former_green_thread() {
    overflows(COROUTINE, DEFAULT, || {
        leno::run(|| {
            let named = leno::thread::Builder::new().name("gone".to_owned());
            named.spawn(|| ()).expect("there is room").join().expect("the green thread returns");
        });
        let free = Pool::free();
        let coroutine = Plain::new(|_, ()| overflow());
        assert_eq!(Pool::free() + 1, free, "the stack comes from the pool");
        coroutine.resume(());
    });
}

#[test]
fn after_a_thousand_other_coroutines() {
    overflows(COROUTINE, DEFAULT, || {
        let others: Vec<Plain> = (0..1_000).map(|_| Plain::new(|_, ()| ())).collect();
        let used = others.iter().step_by(2);
        used.for_each(|other| assert_eq!(other.resume(()), Resumed::Return(())));
        drop(others);
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn in_a_scoped_coroutine() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        let total = Cell::new(0);
        coroutine::scope(|scope| {
            let coroutine = scope.coroutine(|_: &Yielder<(), ()>, ()| total.set(deep(0)));
            coroutine.resume(());
        });
    });
}

#[test]
fn while_a_scope_closes_the_coroutine() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        coroutine::scope(|scope| {
            let coroutine = scope.coroutine(|yielder: &Yielder<(), ()>, ()| {
                let _deep = DeepDrop;
                yielder.suspend(());
            });
            coroutine.resume(());
            std::mem::forget(coroutine);
        });
    });
}

#[test]
fn the_closure_of_a_generator_is_named() {
    overflows(COROUTINE, DEFAULT, || {
        Generator::new(|yielder| yielder.suspend(deep(0))).for_each(drop);
    });
}

#[test]
fn the_closure_of_a_scoped_generator_is_named() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        coroutine::scope(|scope| {
            scope.generator(|yielder| yielder.suspend(deep(0))).for_each(drop)
        });
    });
}

#[test]
fn in_a_function_instead_of_a_closure() {
    fn body(_: &Yielder<(), ()>, (): ()) {
        overflow();
    }
    let named = Owner::Coroutine {
        body: "crash::overflow_coroutine::in_a_function_instead_of_a_closure::body",
    };
    overflows(named, DEFAULT, || {
        Plain::new(body).resume(());
    });
}

#[test]
fn in_a_callback_of_sort() {
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| [3, 1, 2].sort_by(|a: &u64, b| deep(*a).cmp(b))).resume(());
    });
}

#[test]
fn on_the_smallest_stack() {
    overflows(COROUTINE, 1, || {
        let stack = Stack::new(1).expect("there is room");
        Plain::with_stack(stack, |_, ()| overflow()).resume(());
    });
}

#[test]
fn on_a_stack_of_an_odd_size() {
    overflows(COROUTINE, 100_001, || {
        let stack = Stack::new(100_001).expect("there is room");
        Plain::with_stack(stack, |_, ()| overflow()).resume(());
    });
}

#[test]
fn on_a_large_stack() {
    overflows(COROUTINE, 32 << 20, || {
        let stack = Stack::new(32 << 20).expect("there is room");
        Plain::with_stack(stack, |_, ()| overflow()).resume(());
    });
}

#[test]
fn on_a_huge_stack_that_is_never_touched() {
    const HUGE: usize = 64 << 30;
    extern "C" fn go_on() {
        overflow();
    }
    overflows(COROUTINE, HUGE, || {
        let stack = Stack::new(HUGE).expect("there is address space");
        // SAFETY: `go_on` starts 64 KiB above the guard.
        Plain::with_stack(stack, |_, ()| unsafe { leap(HUGE - (64 << 10), go_on) }).resume(());
    });
}

#[test]
fn with_a_large_closure() {
    overflows(COROUTINE, DEFAULT, || {
        let ballast = [1u8; 100_000];
        let coroutine = Plain::new(move |_, ()| {
            deep(u64::from(ballast[7]));
        });
        coroutine.resume(());
    });
}

#[test]
fn with_large_values_in_and_out() {
    overflows(COROUTINE, DEFAULT, || {
        let coroutine = Coroutine::<[u64; 100], [u64; 200], [u64; 300]>::new(|yielder, input| {
            yielder.suspend([input[99]; 200]);
            [deep(0); 300]
        });
        assert_eq!(coroutine.resume([7; 100]), Resumed::Yield([7; 200]));
        coroutine.resume([8; 100]);
    });
}

#[test]
fn while_mapping_further_stacks() {
    fn deeper(levels: u64) {
        // The deepest frame of each level is inside the pool.
        let coroutine = Plain::new(|_, ()| ());
        if levels < u64::MAX {
            deeper(levels + 1);
        }
        drop(coroutine);
    }
    overflows(COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| deeper(0)).resume(());
    });
}

#[test]
fn while_taking_stacks_from_the_pool() {
    fn deeper(levels: u64) {
        drop(small_stack());
        if levels < u64::MAX {
            deeper(levels + 1);
        }
        black_box(levels);
    }
    // The coroutine's stack has the size of the stacks that it takes.
    overflows(COROUTINE, MIN_STACK_BYTES, || {
        Plain::with_stack(small_stack(), |_, ()| deeper(0)).resume(());
    });
}

#[test]
fn while_taking_stacks_of_many_sizes() {
    fn deeper(bytes: usize) {
        let stack = Stack::new(bytes).expect("there is room");
        if bytes < 1 << 40 {
            deeper(bytes + 4096);
        }
        drop(stack);
    }
    overflows(COROUTINE, MIN_STACK_BYTES, || {
        Plain::with_stack(small_stack(), |_, ()| deeper(MIN_STACK_BYTES + 4096)).resume(());
    });
}

#[test]
fn with_an_owner_in_a_reference_count() {
    overflows(COROUTINE, DEFAULT, || {
        let coroutine = Rc::new(Plain::new(|yielder, ()| {
            yielder.suspend(());
            overflow();
        }));
        let shared = coroutine.clone();
        coroutine.resume(());
        let _ = panic::catch_unwind(AssertUnwindSafe(|| shared.resume(())));
    });
}
