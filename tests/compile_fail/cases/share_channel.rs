//! References to senders and receivers stay on their OS thread.
// error: E0277

fn share<T: Sync>() {}

fn main() {
    share::<leno::channel::Sender<u32>>();
    share::<leno::channel::Receiver<u32>>();
}
