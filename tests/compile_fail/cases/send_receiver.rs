//! Receiving wakes green threads of its own OS thread, so the receiver stays there.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::channel::Receiver<u32>>();
}
