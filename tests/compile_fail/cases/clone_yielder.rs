//! A copy of a yielder would outlive the body that it was lent to.
// error: E0308

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    Coroutine::<(), (), ()>::new(|yielder: &Yielder<(), ()>, ()| {
        let copy: Yielder<(), ()> = yielder.clone();
        copy.suspend(());
    });
}
