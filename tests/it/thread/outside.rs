//! Handles to the current thread where no runtime is.

use std::cell::RefCell;
use std::sync::mpsc;

use leno::thread::{self, Builder, Thread, ThreadId};

#[test]
fn a_handle_outside_a_runtime_is_of_the_os_thread() {
    let here = thread::current();
    assert_eq!(here.name(), std::thread::current().name());
    assert_eq!(here.id(), thread::current().id());
    // Nothing happens.
    here.unpark();
    here.cancel();
    let inside: Vec<ThreadId> = (0..2).map(|_| leno::run(|| thread::current().id())).collect();
    assert!(!inside.contains(&here.id()));
    assert_eq!(here.id(), thread::current().id(), "and the same after a run");
    let named = std::thread::Builder::new().name("named".to_owned());
    let there =
        named.spawn(|| (thread::current().name().map(str::to_owned), thread::current().id()));
    let (name, id) = there.unwrap().join().unwrap();
    assert_eq!(name.as_deref(), Some("named"));
    assert_ne!(id, here.id());
}

#[test]
fn a_destructor_at_the_end_of_an_os_thread_has_a_handle() {
    struct Asks(mpsc::Sender<ThreadId>);
    impl Drop for Asks {
        fn drop(&mut self) {
            // Both may have lost their thread-local values by now.
            self.0.send(thread::current().id()).unwrap();
        }
    }
    thread_local! {
        static FIRST: RefCell<Option<Asks>> = const { RefCell::new(None) };
        static LAST: RefCell<Option<(Asks, Thread)>> = const { RefCell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    let asks = std::thread::spawn(move || {
        FIRST.set(Some(Asks(sender.clone())));
        LAST.set(Some((Asks(sender), thread::current())));
    });
    asks.join().unwrap();
    assert_eq!(receiver.iter().count(), 2);
}

#[test]
fn a_destructor_in_a_panic_outside_has_a_handle() {
    // A panic there would end the process.
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            assert!(thread::current().name().is_some());
        }
    }
    let panics = std::panic::catch_unwind(|| {
        let _asks = Asks;
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panics.is_err());
}

#[test]
fn a_name_may_be_converted_as_in_std() {
    // With `impl Into<String>` the type of `into` would be unknown.
    let handle = leno::run(|| {
        Builder::new().name("converted".into()).spawn(thread::park).map(|h| {
            h.thread().unpark();
            h.thread().name().map(str::to_owned)
        })
    });
    assert_eq!(handle.unwrap().as_deref(), Some("converted"));
}
