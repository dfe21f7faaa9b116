//! What another OS thread spawns goes there first.
// error: E0277

use std::rc::Rc;

fn main() {
    leno::run(|| {
        let shared = Rc::new(1);
        let _ = leno::Handle::current().spawn(move || drop(shared));
    });
}
