//! A runtime's green threads stay on the OS thread that made it.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::Runtime>();
}
