//! A body may not hand its yielder to its resumer.
// error: lifetime

use leno::coroutine::{Coroutine, Yielder};

struct Leak(&'static Yielder<(), Leak>);

fn main() {
    let coroutine = Coroutine::<(), Leak, ()>::new(|yielder, ()| yielder.suspend(Leak(yielder)));
    let leak = coroutine.resume(()).as_yield().unwrap();
    drop(coroutine);
    leak.0.suspend(leak);
}
