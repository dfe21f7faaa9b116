//! The lifetime of a yielder's values cannot shrink.
// error: lifetime

use leno::coroutine::Yielder;

fn shorten<'y, 'a>(yielder: &'y Yielder<(), &'static str>) -> &'y Yielder<(), &'a str> {
    yielder
}

fn main() {
    let _ = shorten;
}
