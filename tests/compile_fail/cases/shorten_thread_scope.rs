//! The lifetimes of a scope of green threads cannot shrink.
// error: lifetime

use leno::thread::Scope;

fn shorten<'a, 's: 'a, 'e: 's>(scope: &'a Scope<'s, 'e>) -> &'a Scope<'a, 'e> {
    scope
}

fn main() {
    let _ = shorten;
}
