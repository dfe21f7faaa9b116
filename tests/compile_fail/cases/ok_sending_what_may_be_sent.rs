//! Settings, ids and results are plain values; green threads share what is not `Send`.

use std::rc::Rc;

use leno::coroutine::{Coroutine, Resumed};

fn send<T: Send + Sync>() {}

fn main() {
    send::<leno::thread::Builder>();
    send::<leno::thread::ThreadId>();
    send::<Resumed<u8, String>>();
    // Nothing needs `Send` as long as it stays here.
    let shared = Rc::new(1);
    let coroutine = Coroutine::<(), Rc<i32>, ()>::new({
        let shared = shared.clone();
        move |yielder, ()| yielder.suspend(shared)
    });
    coroutine.resume(());
    leno::run(|| leno::spawn(move || drop(shared)).join().unwrap());
}
