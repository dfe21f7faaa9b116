//! A generator is a coroutine.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::coroutine::Generator<u8>>();
}
