//! A scoped join handle stays on its OS thread, as every join handle.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::thread::ScopedJoinHandle<'static, ()>>();
}
