//! A scoped coroutine may not move to a longer scope.
// error: lifetime

use leno::coroutine::ScopedCoroutine;

fn lengthen<'s>(
    coroutine: ScopedCoroutine<'s, (), (), ()>,
) -> ScopedCoroutine<'static, (), (), ()> {
    coroutine
}

fn main() {
    let _ = lengthen;
}
