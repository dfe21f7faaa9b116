//! The locals of a scope's closure are dropped before the scope closes its coroutines.
// error: E0373

use leno::coroutine::{Yielder, scope};

fn main() {
    scope(|scope| {
        let local = String::from("gone");
        let coroutine = scope.coroutine(|yielder: &Yielder<(), ()>, ()| {
            yielder.suspend(());
            println!("{local}");
        });
        coroutine.resume(());
        std::mem::forget(coroutine);
    });
}
