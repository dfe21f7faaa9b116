//! In a scope, coroutines and green threads may borrow from outside the scope.

use leno::coroutine::{Yielder, scope};

fn main() {
    let words = vec![String::from("warp"), String::from("weft")];
    let mut lengths = Vec::new();
    scope(|scope| {
        let mut generator = scope.generator(|yielder| {
            for word in &words {
                lengths.push(word.len());
                yielder.suspend(word.as_str());
            }
        });
        assert_eq!(generator.next(), Some("warp"));
        // Borrowed values may cross both ways.
        let text = &words[0];
        let echo = scope.coroutine(move |yielder: &Yielder<&str, &str>, first: &str| {
            let second = yielder.suspend(if first.is_empty() { text } else { "" });
            second.len()
        });
        echo.resume("");
    });
    drop(lengths);
    leno::run(|| {
        let mut numbers = [1, 2, 3];
        leno::scope(|scope| {
            for number in &mut numbers {
                scope.spawn(move || *number += 1);
            }
        });
        assert_eq!(numbers, [2, 3, 4]);
    });
}
