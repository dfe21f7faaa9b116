//! A pinned box may leave the scope no more than what is in it.
// error: lifetime

use leno::coroutine::{Yielder, scope};

fn main() {
    let escaped = scope(|scope| Box::pin(scope.coroutine(|_: &Yielder<(), ()>, ()| ())));
    escaped.resume(());
}
