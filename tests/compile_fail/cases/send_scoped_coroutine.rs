//! A scoped coroutine stays on its OS thread, as every coroutine.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::coroutine::ScopedCoroutine<'static, (), (), ()>>();
}
