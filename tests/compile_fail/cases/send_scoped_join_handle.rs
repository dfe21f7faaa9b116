//! A scoped join handle is one as any other.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::thread::ScopedJoinHandle<'static, ()>>();
}
