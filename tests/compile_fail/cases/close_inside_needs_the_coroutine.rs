//! A body does not get its own coroutine: it cannot own itself and be freed from inside.
// error: E0381

use leno::coroutine::Coroutine;

fn main() {
    let coroutine: Coroutine<(), (), ()>;
    coroutine = Coroutine::new(move |_, ()| drop(coroutine));
    coroutine.resume(());
}
