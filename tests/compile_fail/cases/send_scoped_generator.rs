//! A scoped generator stays on its OS thread, as every generator.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::coroutine::ScopedGenerator<'static, u8>>();
}
