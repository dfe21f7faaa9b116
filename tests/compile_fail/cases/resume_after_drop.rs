//! A dropped coroutine cannot be resumed.
// error: E0382

use leno::coroutine::Coroutine;

fn main() {
    let coroutine = Coroutine::<(), (), ()>::new(|_, ()| ());
    drop(coroutine);
    coroutine.resume(());
}
