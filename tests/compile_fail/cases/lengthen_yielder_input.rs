//! The input of a yielder may not get a longer lifetime.
// error: lifetime

use leno::coroutine::Yielder;

fn lengthen<'y, 'a>(yielder: &'y Yielder<&'a str, ()>) -> &'y Yielder<&'static str, ()> {
    yielder
}

fn main() {
    let _ = lengthen;
}
