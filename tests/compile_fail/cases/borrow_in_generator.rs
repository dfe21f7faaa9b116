//! A generator can be forgotten, so without a scope it may borrow nothing.
// error: E0373

use leno::coroutine::Generator;

fn main() {
    let words = vec![String::from("warp")];
    let generator =
        Generator::new(|yielder| words.iter().for_each(|word| yielder.suspend(word.len())));
    generator.for_each(drop);
}
