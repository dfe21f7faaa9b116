//! ... not even from something that lives longer than the handle.
// error: E0373

use leno::coroutine::Coroutine;

fn main() {
    let local = String::from("here");
    let coroutine = Coroutine::<(), (), usize>::new(|_, ()| local.len());
    coroutine.resume(());
}
