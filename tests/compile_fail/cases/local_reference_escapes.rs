//! A green-thread-local value ends with its green thread.
// error: lifetime

use std::cell::Cell;

leno::green_local!(static KEY: Cell<u32> = const { Cell::new(0) });

fn main() {
    leno::run(|| {
        let escaped: &'static Cell<u32> = KEY.with(|value| value);
        escaped.set(1);
    });
}
