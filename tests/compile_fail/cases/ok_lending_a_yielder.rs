//! A yielder may be lent to called functions and to nested coroutines.

use leno::coroutine::{Coroutine, Yielder, scope};

fn deep(depth: u32, yielder: &Yielder<(), u32>) {
    yielder.suspend(depth);
    if depth > 0 {
        deep(depth - 1, yielder);
    }
}

fn main() {
    let coroutine = Coroutine::<(), u32, ()>::new(|outer, ()| {
        deep(3, outer);
        scope(|scope| {
            let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| outer.suspend(9));
            inner.resume(());
        });
    });
    while coroutine.resume(()).as_yield().is_some() {}
}
