//! A coroutine is resumed through a shared reference, so not even those may leave.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::coroutine::Coroutine<(), (), ()>>();
}
