//! A yielded value may not outlive the value that it borrows.
// error: E0505

use leno::coroutine::scope;

fn main() {
    let words = vec![String::from("gone")];
    let word: &str = scope(|scope| {
        let mut generator = scope.generator(|yielder| yielder.suspend(words[0].as_str()));
        generator.next().unwrap()
    });
    drop(words);
    println!("{word}");
}
