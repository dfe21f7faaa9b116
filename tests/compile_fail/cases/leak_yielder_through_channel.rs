//! A channel would carry the yielder out of the body.
// error: E0521

use leno::coroutine::{Coroutine, Yielder};

fn main() {
    let (sender, receiver) = std::sync::mpsc::channel::<&'static Yielder<(), ()>>();
    let coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| sender.send(yielder).unwrap());
    coroutine.resume(());
    drop(coroutine);
    receiver.recv().unwrap().suspend(());
}
