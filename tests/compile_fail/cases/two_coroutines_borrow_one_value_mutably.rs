//! Two coroutines of a scope may not hold the same exclusive reference.
// error: E0499

use leno::coroutine::{Yielder, scope};

fn main() {
    let mut count = 0;
    scope(|scope| {
        let one = scope.coroutine(|_: &Yielder<(), ()>, ()| count += 1);
        let other = scope.coroutine(|_: &Yielder<(), ()>, ()| count += 1);
        one.resume(());
        other.resume(());
    });
}
