//! A body may not return its yielder, which cannot suspend anything afterwards.
// error: lifetime

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    let coroutine =
        Coroutine::<(), (), &'static Yielder<(), ()>>::new(|yielder: &Yielder<(), ()>, ()| yielder);
    coroutine.resume(()).as_return().unwrap().suspend(());
}
