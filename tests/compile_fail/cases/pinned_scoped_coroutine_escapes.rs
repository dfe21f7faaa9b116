//! A pinned box with a scoped coroutine may not leave the scope.
// error: lifetime

use leno::coroutine::{Yielder, scope};

fn main() {
    let escaped = scope(|scope| Box::pin(scope.coroutine(|_: &Yielder<(), ()>, ()| ())));
    escaped.resume(());
}
