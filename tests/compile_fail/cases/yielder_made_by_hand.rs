//! A yielder belongs to a coroutine: one cannot be made up, moved or copied.
// error: E0507

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    Coroutine::<(), (), ()>::new(|yielder: &Yielder<(), ()>, ()| {
        let moved: Yielder<(), ()> = *yielder;
        moved.suspend(());
    });
}
