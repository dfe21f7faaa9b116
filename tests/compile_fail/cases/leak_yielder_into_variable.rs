//! A yielder is lent to the body, and may not be stored outside it.
// error: E0521

use std::cell::Cell;

use leno::coroutine::{Yielder, scope};

fn main() {
    let leaked: Cell<Option<&Yielder<(), ()>>> = Cell::new(None);
    scope(|scope| {
        let coroutine = scope.coroutine(|yielder: &Yielder<(), ()>, ()| leaked.set(Some(yielder)));
        coroutine.resume(());
    });
    leaked.get().unwrap().suspend(());
}
