//! A thread-local would keep the yielder longer than its coroutine lives.
// error: E0521

use std::cell::Cell;

use leno::coroutine::{Coroutine, Yielder};

thread_local! {
    static LEAKED: Cell<Option<&'static Yielder<(), ()>>> = const { Cell::new(None) };
}

fn main() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| LEAKED.set(Some(yielder)));
    coroutine.resume(());
    drop(coroutine);
    LEAKED.get().unwrap().suspend(());
}
