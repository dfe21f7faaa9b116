//! A value that a coroutine borrows mutably cannot be used until the scope ends.
// error: E0499

use leno::coroutine::{Yielder, scope};

fn main() {
    let mut text = String::from("first");
    scope(|scope| {
        let coroutine = scope.coroutine(|yielder: &Yielder<(), ()>, ()| {
            let part = text.as_mut_str();
            yielder.suspend(());
            part.make_ascii_uppercase();
        });
        coroutine.resume(());
        text.clear();
        coroutine.resume(());
    });
}
