//! `unpark` touches the run queue, so references stay on their OS thread.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::thread::Thread>();
}
