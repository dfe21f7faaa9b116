//! Nor can a reference to an end go elsewhere.
// error: E0277

fn share<T: Sync>() {}

fn main() {
    share::<leno::channel::Sender<u32>>();
    share::<leno::channel::Receiver<u32>>();
}
