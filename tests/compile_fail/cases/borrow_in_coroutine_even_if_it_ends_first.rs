//! Without a scope, a coroutine may not even borrow a value that outlives its handle.
// error: E0373

use leno::coroutine::Coroutine;

fn main() {
    let local = String::from("here");
    let coroutine = Coroutine::<(), (), usize>::new(|_, ()| local.len());
    coroutine.resume(());
}
