//! A scoped coroutine gives no exclusive access to the coroutine in it: corosensei 59.
// error: E0596

use leno::coroutine::{Coroutine, Yielder, scope};

fn main() {
    let mut free = Coroutine::<(), (), ()>::new(|_, ()| ());
    scope(|scope| {
        let mut scoped = scope.coroutine(|_: &Yielder<(), ()>, ()| ());
        std::mem::swap(&mut free, &mut *scoped);
    });
    free.resume(());
}
