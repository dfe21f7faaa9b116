//! A coroutine has one owner; several share it in an `Rc`.
// error: E0599

use leno::coroutine::Coroutine;

fn main() {
    let coroutine = Coroutine::<(), (), ()>::new(|_, ()| ());
    let _copy: Coroutine<(), (), ()> = coroutine.clone();
}
