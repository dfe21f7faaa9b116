//! The floating-point environment: with the feature `fp-env` each context has its own;
//! without it the OS thread has one.

use leno::coroutine::{Coroutine, Yielder};

use super::canaries::hold;
use super::isa::{rounding, set_rounding};
use super::raw::{Context, Kind};

/// Restores the default rounding mode at the end of a test.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        set_rounding(0);
    }
}

#[test]
fn a_rounding_mode_is_read_as_it_was_set() {
    let _restore = Restore;
    for mode in [0, 1, 2, 3, 0] {
        set_rounding(mode);
        assert_eq!(rounding(), Some(mode));
    }
}

/// Returns the modes that the inside and the outside see, in turns.
fn seen_by_both_sides(kind: Kind) -> Vec<Option<u8>> {
    let context = Context::new(kind, |control, _| {
        let encode = |mode: Option<u8>| mode.map_or(9, usize::from);
        let first = encode(rounding());
        set_rounding(2);
        hold(1, || control.suspend(first));
        let second = encode(rounding());
        set_rounding(3);
        hold(2, || control.suspend(second));
        encode(rounding())
    });
    let _restore = Restore;
    set_rounding(1);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let inside = hold(3, || context.enter(0));
        let inside = (inside != 9).then_some(inside as u8);
        seen.extend([inside, rounding()]);
    }
    seen
}

#[test]
fn only_the_feature_gives_contexts_their_own_environment() {
    for kind in [Kind::Coroutine, Kind::Thread] {
        let expected = if cfg!(feature = "fp-env") {
            // A new context begins with the default, and then each keeps its own mode.
            [0, 1, 2, 1, 3, 1]
        } else {
            // Each mode that one side sets is visible on the other.
            [1, 2, 2, 3, 3, 3]
        };
        assert_eq!(seen_by_both_sides(kind), expected.map(Some), "{kind:?}");
    }
}

#[test]
fn coroutines_and_green_threads_follow_the_feature() {
    let own = cfg!(feature = "fp-env");
    let _restore = Restore;
    let coroutine = Coroutine::new(|yielder: &Yielder<(), Option<u8>>, ()| {
        yielder.suspend(rounding());
        set_rounding(3);
        hold(4, || yielder.suspend(rounding()));
        rounding()
    });
    set_rounding(1);
    assert_eq!(coroutine.resume(()).as_yield(), Some(Some(if own { 0 } else { 1 })));
    assert_eq!(coroutine.resume(()).as_yield(), Some(Some(3)));
    assert_eq!(rounding(), Some(if own { 1 } else { 3 }));
    set_rounding(2);
    assert_eq!(coroutine.resume(()).as_return(), Some(Some(if own { 3 } else { 2 })));
    assert_eq!(rounding(), Some(2));

    let (inside, outside) = leno::run(|| {
        let handle = leno::spawn(|| {
            let first = rounding();
            set_rounding(1);
            first
        });
        (handle.join().unwrap(), rounding())
    });
    assert_eq!(inside, Some(if own { 0 } else { 2 }));
    assert_eq!(outside, Some(if own { 2 } else { 1 }));
}
