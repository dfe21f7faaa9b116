//! A join handle shares plain counters with its green thread.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::thread::JoinHandle<()>>();
}
