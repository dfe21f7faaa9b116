//! Handles of one scope may be moved, swapped, pinned and forgotten.

use leno::coroutine::{Yielder, scope};

fn main() {
    let text = String::from("borrowed");
    scope(|scope| {
        let mut one = scope.coroutine(|yielder: &Yielder<(), usize>, ()| {
            yielder.suspend(text.len());
        });
        let mut other = scope.coroutine(|yielder: &Yielder<(), usize>, ()| {
            yielder.suspend(1);
        });
        std::mem::swap(&mut one, &mut other);
        one.resume(());
        let pinned = Box::pin(one);
        pinned.resume(());
        other.resume(());
        std::mem::forget(other);
    });
}
