//! The scope of coroutines is lent only to the closure.
// error: E0521

use leno::coroutine::scope;

fn main() {
    let mut escaped = None;
    scope(|scope| escaped = Some(scope));
    let _ = escaped;
}
