//! A body may not yield a reference to a local of its own stack.
// error: E0597

use leno::coroutine::{Yielder, scope};

fn main() {
    scope(|scope| {
        let coroutine = scope.coroutine(|yielder: &Yielder<(), &str>, ()| {
            let local = String::from("gone");
            yielder.suspend(local.as_str());
        });
        let gone = coroutine.resume(()).as_yield();
        coroutine.close();
        println!("{gone:?}");
    });
}
