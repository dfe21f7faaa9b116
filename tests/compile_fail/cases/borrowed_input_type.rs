//! A coroutine may not take borrowed inputs, since it could keep one until a later
//! resume.
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
