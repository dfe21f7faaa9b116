//! A scoped join handle may not get a longer lifetime.
// error: lifetime

use leno::thread::ScopedJoinHandle;

fn lengthen<'s>(handle: ScopedJoinHandle<'s, ()>) -> ScopedJoinHandle<'static, ()> {
    handle
}

fn main() {
    let _ = lengthen;
}
