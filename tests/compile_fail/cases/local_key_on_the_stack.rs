//! A key is identified by its address, so it must not move.
// error: E0597 E0716

use leno::thread::LocalKey;

fn main() {
    let key: LocalKey<u32> = LocalKey::__new(|| 1);
    leno::run(|| key.with(|value| *value));
}
