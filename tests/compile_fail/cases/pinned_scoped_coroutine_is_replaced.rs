//! `Pin` gives no exclusive access to the coroutine inside: corosensei 60.
// error: E0596

use std::pin::Pin;

use leno::coroutine::{Coroutine, Yielder, scope};

fn main() {
    let free = Coroutine::<(), (), ()>::new(|_, ()| ());
    scope(|scope| {
        let scoped = scope.coroutine(|_: &Yielder<(), ()>, ()| ());
        let mut pinned = Box::pin(scoped);
        let inner: &mut Coroutine<(), (), ()> = &mut *Pin::get_mut(pinned.as_mut());
        *inner = free;
    });
}
