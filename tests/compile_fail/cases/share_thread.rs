//! `unpark` touches the run queue, so not even references may leave.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::thread::Thread>();
}
