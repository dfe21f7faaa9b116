//! A copy of a yielder would outlive what it was lent for.
// error: E0308

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    Coroutine::<(), (), ()>::new(|yielder: &Yielder<(), ()>, ()| {
        let copy: Yielder<(), ()> = yielder.clone();
        copy.suspend(());
    });
}
