//! Other OS threads reach a runtime by its handle; a key is only an address.

use std::cell::Cell;

leno::green_local!(static KEY: Cell<u32> = const { Cell::new(0) });

fn anywhere<T: Send + Sync + Clone>(_: &T) {}

fn main() {
    leno::run(|| anywhere(&leno::Handle::current()));
    anywhere(&&KEY);
}
