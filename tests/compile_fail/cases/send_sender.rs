//! Sending wakes green threads of its own OS thread, so the sender stays there.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::channel::Sender<u32>>();
}
