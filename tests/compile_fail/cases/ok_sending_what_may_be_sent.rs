//! Settings, ids and results are `Send`; green threads may share values that are not.

use std::rc::Rc;

use leno::coroutine::{Coroutine, Resumed};

fn send<T: Send + Sync>() {}

fn main() {
    send::<leno::thread::Builder>();
    send::<leno::thread::ThreadId>();
    send::<Resumed<u8, String>>();
    // On one OS thread no value needs `Send`.
    let shared = Rc::new(1);
    let coroutine = Coroutine::<(), Rc<i32>, ()>::new({
        let shared = shared.clone();
        move |yielder, ()| yielder.suspend(shared)
    });
    coroutine.resume(());
    leno::run(|| leno::spawn(move || drop(shared)).join().unwrap());
}
