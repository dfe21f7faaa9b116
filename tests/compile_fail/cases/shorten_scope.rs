//! The lifetimes of a scope cannot shrink, or a shorter borrow would get in.
// error: lifetime

use leno::coroutine::Scope;

fn shorten<'a, 's: 'a, 'e: 's>(scope: &'a Scope<'s, 'e>) -> &'a Scope<'a, 'e> {
    scope
}

fn main() {
    let _ = shorten;
}
