//! The same for the other end.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::channel::Receiver<u32>>();
}
