//! A join handle shares plain counters with its green thread.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::thread::JoinHandle<()>>();
}
