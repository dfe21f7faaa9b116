//! A scoped coroutine is closed when the scope ends, and may not leave it.
// error: lifetime

use leno::coroutine::{Yielder, scope};

fn main() {
    let escaped = scope(|scope| scope.coroutine(|_: &Yielder<(), ()>, ()| ()));
    escaped.resume(());
}
