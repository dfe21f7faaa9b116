//! A value that a scoped coroutine borrows may not be dropped while the scope is open.
// error: E0506

use leno::coroutine::{Yielder, scope};

fn main() {
    let mut text = Some(String::from("borrowed"));
    scope(|scope| {
        let borrowed = &text;
        let coroutine = scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
            yielder.suspend(());
            println!("{borrowed:?}");
        });
        coroutine.resume(());
        std::mem::forget(coroutine);
        text = None;
    });
}
