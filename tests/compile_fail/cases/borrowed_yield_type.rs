//! A coroutine without a scope cannot yield borrowed values.
// error: E0521

use leno::coroutine::Coroutine;

fn letters<'a>(text: &'a str) -> Coroutine<(), &'a str, ()> {
    Coroutine::new(move |yielder, ()| yielder.suspend(text))
}

fn main() {
    letters("abc").resume(());
}
