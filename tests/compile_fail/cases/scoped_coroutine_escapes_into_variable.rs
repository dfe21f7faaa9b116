//! A scoped coroutine may not be stored in a variable outside the scope.
// error: E0521

use leno::coroutine::{ScopedCoroutine, Yielder, scope};

fn main() {
    let mut escaped: Option<ScopedCoroutine<'_, (), (), ()>> = None;
    scope(|scope| escaped = Some(scope.coroutine(|_: &Yielder<(), ()>, ()| ())));
    escaped.unwrap().resume(());
}
