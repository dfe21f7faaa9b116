//! The coroutine cannot be moved out of a scoped coroutine.
// error: E0507

use leno::coroutine::{Coroutine, Yielder, scope};

fn main() {
    let mut free: Option<Coroutine<(), (), ()>> = None;
    scope(|scope| {
        let scoped = scope.coroutine(|_: &Yielder<(), ()>, ()| ());
        free = Some(*scoped);
    });
    free.unwrap().resume(());
}
