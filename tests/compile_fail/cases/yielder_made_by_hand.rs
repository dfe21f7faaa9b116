//! A yielder cannot be moved out of its reference or copied.
// error: E0507

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    Coroutine::<(), (), ()>::new(|yielder: &Yielder<(), ()>, ()| {
        let moved: Yielder<(), ()> = *yielder;
        moved.suspend(());
    });
}
