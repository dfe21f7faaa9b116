//! A stack goes back to the pool of its OS thread.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::stack::Stack>();
}
