//! A nested coroutine may outlive the outer one: generator-rs 59 is of this kind.
// error: E0521

use leno::coroutine::Coroutine;

fn main() {
    let outer = Coroutine::<(), (), Coroutine<(), (), ()>>::new(|outer_yielder, ()| {
        Coroutine::new(move |_, ()| outer_yielder.suspend(()))
    });
    let inner = outer.resume(()).as_return().unwrap();
    drop(outer);
    inner.resume(());
}
