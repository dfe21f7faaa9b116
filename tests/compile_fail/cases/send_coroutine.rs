//! A coroutine may hold an `Rc` on its stack, so it stays on its OS thread.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::coroutine::Coroutine<(), (), ()>>();
}
