//! Scopes cannot be exchanged: there is only shared access to them.
// error: E0308

use leno::coroutine::scope;

fn main() {
    scope(|outer| {
        scope(|inner| {
            std::mem::swap(outer, inner);
        });
    });
}
