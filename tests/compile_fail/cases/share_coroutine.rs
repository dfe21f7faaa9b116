//! A coroutine is resumed through a shared reference, so references stay on its OS
//! thread.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::coroutine::Coroutine<(), (), ()>>();
}
