//! A coroutine of an inner scope may not be kept by an outer one.
// error: E0521

use leno::coroutine::{Yielder, scope};

fn main() {
    scope(|outer| {
        let mut kept = None;
        scope(|inner| kept = Some(inner.coroutine(|_: &Yielder<(), ()>, ()| ())));
        let kept = kept.unwrap();
        outer.coroutine(move |_: &Yielder<(), ()>, ()| drop(kept));
    });
}
