//! A panic that a misuse of leno causes is shown at the line that misuses it.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use leno::channel::{Select, unbounded};
use leno::coroutine::{self, Coroutine, Generator, Yielder};
use leno::stack::{MIN_STACK_BYTES, Stack};
use leno::thread;

use crate::support::in_child;

thread_local! {
    static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Returns the file that a panic of `misuse` shows.
fn file_of_panic(misuse: impl FnOnce()) -> String {
    PLACE.take();
    let result = panic::catch_unwind(AssertUnwindSafe(misuse));
    assert!(result.is_err(), "a misuse panics");
    PLACE.take().expect("the hook has run").0
}

fn done() -> Coroutine<(), (), ()> {
    let coroutine = Coroutine::new(|_, ()| ());
    coroutine.resume(());
    coroutine
}

/// Returns a closure that no stack has room for.
fn large() -> impl FnOnce() {
    let large = [0u8; 140 << 10];
    move || assert!(std::hint::black_box(&large)[0] == 0)
}

fn small_stack() -> Stack {
    Stack::new(MIN_STACK_BYTES).expect("a stack")
}

fn resumes_itself() {
    thread_local! {
        static OWN: RefCell<Option<std::rc::Rc<Coroutine<(), (), ()>>>> =
            const { RefCell::new(None) };
    }
    let own = std::rc::Rc::new(Coroutine::new(|_, ()| {
        let own = OWN.take().expect("it is there");
        own.resume(());
    }));
    OWN.set(Some(own.clone()));
    own.resume(());
}

fn suspends_from_a_green_thread() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        leno::scope(|scope| {
            let panics = scope.spawn(|| yielder.suspend(()));
            panic::resume_unwind(panics.join().unwrap_err());
        });
    });
    leno::run(|| _ = coroutine.resume(()));
}

type Misuse = (&'static str, Box<dyn FnOnce()>);

fn misuses() -> Vec<Misuse> {
    let in_run = |f: fn()| -> Box<dyn FnOnce()> { Box::new(move || leno::run(f)) };
    vec![
        ("resume a done one", Box::new(|| _ = done().resume(()))),
        ("resume a running one", Box::new(resumes_itself)),
        ("suspend from outside", Box::new(suspends_from_a_green_thread)),
        (
            "a large body",
            Box::new(|| {
                let large = large();
                drop(Coroutine::<(), (), ()>::with_stack(small_stack(), move |_, ()| large()));
            }),
        ),
        (
            "a large scoped body",
            Box::new(|| {
                let large = large();
                coroutine::scope(|scope| {
                    let body = move |_: &Yielder<(), ()>, ()| large();
                    drop(scope.coroutine_with_stack(small_stack(), body));
                });
            }),
        ),
        (
            "a large generator",
            Box::new(|| {
                let large = large();
                drop(Generator::<()>::new(move |_| large()));
            }),
        ),
        ("spawn a large closure", in_run(|| drop(leno::spawn(large())))),
        (
            "spawn a large closure in a scope",
            in_run(|| {
                leno::scope(|scope| drop(scope.spawn(large())));
            }),
        ),
        (
            "remove no operation",
            Box::new(|| {
                let (_sender, receiver) = unbounded::<()>();
                let mut select = Select::new();
                select.recv(&receiver);
                select.remove(7);
            }),
        ),
        ("spawn outside", Box::new(|| drop(leno::spawn(|| ())))),
        ("park outside", Box::new(thread_park)),
        ("sleep outside", Box::new(|| leno::sleep(std::time::Duration::from_secs(1)))),
    ]
}

fn thread_park() {
    thread::park();
}

#[test]
fn a_misuse_is_shown_at_its_line() {
    in_child("cancel::callers::a_misuse_is_shown_at_its_line", &[], || {
        panic::set_hook(Box::new(|info| {
            let at = info.location().expect("a panic has a place");
            PLACE.replace(Some((at.file().to_owned(), at.line())));
        }));
        // Debug builds copy the large closures many times.
        let stack = std::thread::Builder::new().stack_size(32 << 20);
        let all = || misuses().into_iter().map(|(name, misuse)| (name, file_of_panic(misuse)));
        let shown = stack.spawn(move || all().collect::<Vec<_>>()).unwrap().join().unwrap();
        let is_wrong = |(_, file): &&(&str, String)| !file.ends_with("callers.rs");
        let wrong: Vec<_> = shown.iter().filter(is_wrong).collect();
        let _ = panic::take_hook();
        assert!(wrong.is_empty(), "{wrong:?}");
    })
    .assert_survived();
}
