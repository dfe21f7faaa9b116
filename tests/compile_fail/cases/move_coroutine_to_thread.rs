//! A suspended coroutine may not be resumed by another OS thread.
// error: E0277

use leno::coroutine::Coroutine;

fn main() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    coroutine.resume(());
    std::thread::spawn(move || coroutine.resume(()));
}
