//! Panics for which std prints a backtrace, on the smallest stacks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use leno::coroutine::Coroutine;
use leno::stack::{MIN_STACK_BYTES, Stack};
use leno::thread::Builder;

use crate::harness::{Outcome, Setting, child_with};

const BACKTRACE: Setting =
    Setting { environment: &[("RUST_BACKTRACE", "full")], stack_limit: None };

/// Asserts that the child has printed `panics` backtraces, and that no panic has ended it.
#[track_caller]
fn printed_and_went_on(outcome: &Outcome, panics: usize) {
    assert_eq!((outcome.code, outcome.signal), (Some(0), None), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("stack backtrace:").count(), panics, "{}", outcome.stderr);
}

#[test]
fn a_coroutine_on_the_smallest_stack_can_panic() {
    let outcome = child_with(BACKTRACE, || {
        let stack = Stack::new(1).expect("there is room");
        let coroutine = Coroutine::<(), (), ()>::with_stack(stack, |_, ()| panic!("first"));
        assert!(catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).is_err());
        assert!(coroutine.high_water() < MIN_STACK_BYTES);
    });
    printed_and_went_on(&outcome, 1);
}

#[test]
fn a_green_thread_on_the_smallest_stack_can_panic() {
    let outcome = child_with(BACKTRACE, || {
        leno::run(|| {
            for name in ["first", "second"] {
                let panics = Builder::new().stack_size(1).spawn(move || panic!("{name}"));
                assert!(panics.expect("there is room").join().is_err());
            }
        });
    });
    printed_and_went_on(&outcome, 2);
}
