//! The lifetime of an input cannot shrink, since the body may keep it.
// error: lifetime

use leno::coroutine::Coroutine;

fn shorten<'a>(coroutine: Coroutine<&'static str, (), ()>) -> Coroutine<&'a str, (), ()> {
    coroutine
}

fn main() {
    let _ = shorten;
}
