//! Scopes cannot be swapped, since they are only shared.
// error: E0308

use leno::coroutine::scope;

fn main() {
    scope(|outer| {
        scope(|inner| {
            std::mem::swap(outer, inner);
        });
    });
}
