//! A green thread may outlive the coroutine that lent the yielder.
// error: E0521

use leno::coroutine::Coroutine;

fn main() {
    leno::run(|| {
        let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
            leno::spawn(move || yielder.suspend(()));
        });
        coroutine.resume(());
    });
}
