//! The green threads of a runtime stay on the OS thread that created it.
// error: E0277

fn send<T: Send>() {}

fn main() {
    send::<leno::Runtime>();
}
