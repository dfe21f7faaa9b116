//! Nor take what is borrowed: it could keep it until it is resumed again.
// error: E0505 E0597 E0716

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    let coroutine = Coroutine::new(|yielder: &Yielder<&String, ()>, first: &String| {
        yielder.suspend(());
        println!("{first}");
    });
    let text = String::from("gone");
    coroutine.resume(&text);
    drop(text);
    coroutine.resume(&String::new());
}
