//! `unpark` touches the run queue, so the handle stays on its OS thread.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::thread::Thread>();
}
