//! A scoped coroutine cannot be converted into one without a scope.
// error: E0277

use leno::coroutine::{Coroutine, Yielder, scope};

fn main() {
    scope(|scope| {
        let scoped = scope.coroutine(|_: &Yielder<(), ()>, ()| ());
        let _free: Coroutine<(), (), ()> = scoped.into();
    });
}
