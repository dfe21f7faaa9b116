//! The lifetimes of a scope cannot grow.
// error: lifetime

use leno::coroutine::Scope;

fn lengthen<'s, 'e>(scope: &'s Scope<'s, 'e>) -> &'s Scope<'s, 'static> {
    scope
}

fn main() {
    let _ = lengthen;
}
