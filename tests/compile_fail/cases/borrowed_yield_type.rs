//! A coroutine that is not scoped cannot yield what is borrowed.
// error: E0521

use leno::coroutine::Coroutine;

fn letters<'a>(text: &'a str) -> Coroutine<(), &'a str, ()> {
    Coroutine::new(move |yielder, ()| yielder.suspend(text))
}

fn main() {
    letters("abc").resume(());
}
