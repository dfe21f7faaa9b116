//! Nor may a scoped join handle.
// error: lifetime

use leno::thread::ScopedJoinHandle;

fn lengthen<'s>(handle: ScopedJoinHandle<'s, ()>) -> ScopedJoinHandle<'static, ()> {
    handle
}

fn main() {
    let _ = lengthen;
}
