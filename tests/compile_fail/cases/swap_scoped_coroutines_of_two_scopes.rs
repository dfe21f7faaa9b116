//! With `mem::swap` a coroutine would outlive its own scope: corosensei 59.
// error: E0521

use leno::coroutine::{Yielder, scope};

fn main() {
    scope(|outer| {
        let mut long = outer.coroutine(|_: &Yielder<(), ()>, ()| ());
        scope(|inner| {
            let mut short = inner.coroutine(|_: &Yielder<(), ()>, ()| ());
            std::mem::swap(&mut long, &mut short);
        });
        long.resume(());
    });
}
