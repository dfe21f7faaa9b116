//! A closure for `Handle::spawn` moves to another OS thread.
// error: E0277

use std::rc::Rc;

fn main() {
    leno::run(|| {
        let shared = Rc::new(1);
        let _ = leno::Handle::current().spawn(move || drop(shared));
    });
}
