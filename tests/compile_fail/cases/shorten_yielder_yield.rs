//! What a yielder gives may not become something that lives shorter.
// error: lifetime

use leno::coroutine::Yielder;

fn shorten<'y, 'a>(yielder: &'y Yielder<(), &'static str>) -> &'y Yielder<(), &'a str> {
    yielder
}

fn main() {
    let _ = shorten;
}
