//! The scope is lent to the closure only.
// error: E0521

use leno::coroutine::scope;

fn main() {
    let mut escaped = None;
    scope(|scope| escaped = Some(scope));
    let _ = escaped;
}
