//! Another OS thread must not suspend a coroutine of this one.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::coroutine::Yielder<(), ()>>();
}
