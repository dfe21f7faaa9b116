//! The same by way of a variable outside.
// error: E0521

use leno::coroutine::{ScopedCoroutine, Yielder, scope};

fn main() {
    let mut escaped: Option<ScopedCoroutine<'_, (), (), ()>> = None;
    scope(|scope| escaped = Some(scope.coroutine(|_: &Yielder<(), ()>, ()| ())));
    escaped.unwrap().resume(());
}
