//! A coroutine can be forgotten, so without a scope it may borrow nothing.
// error: E0373

use leno::coroutine::Coroutine;

fn main() {
    let coroutine;
    {
        let local = String::from("gone");
        coroutine = Coroutine::<(), (), usize>::new(|_, ()| local.len());
    }
    coroutine.resume(());
}
