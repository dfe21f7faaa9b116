//! What a yielder receives may not become something that lives longer.
// error: lifetime

use leno::coroutine::Yielder;

fn lengthen<'y, 'a>(yielder: &'y Yielder<&'a str, ()>) -> &'y Yielder<&'static str, ()> {
    yielder
}

fn main() {
    let _ = lengthen;
}
