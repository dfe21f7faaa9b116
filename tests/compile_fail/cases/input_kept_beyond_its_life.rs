//! A scoped coroutine that keeps an input must get one that lives as long as the scope.
// error: E0505 E0597

use leno::coroutine::{Yielder, scope};

fn main() {
    scope(|scope| {
        let coroutine = scope.coroutine(|yielder: &Yielder<&str, ()>, first: &str| {
            yielder.suspend(());
            println!("{first}");
        });
        let text = String::from("gone");
        coroutine.resume(&text);
        drop(text);
        coroutine.resume("");
    });
}
