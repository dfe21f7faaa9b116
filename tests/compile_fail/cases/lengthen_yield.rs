//! A yielded value may not get a longer lifetime.
// error: lifetime

use leno::coroutine::ScopedCoroutine;

fn lengthen<'s, 'a>(
    coroutine: ScopedCoroutine<'s, (), &'a str, ()>,
) -> ScopedCoroutine<'s, (), &'static str, ()> {
    coroutine
}

fn main() {
    let _ = lengthen;
}
