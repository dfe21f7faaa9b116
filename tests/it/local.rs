//! Green-thread-local values.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::error::Error;
use std::panic;
use std::rc::Rc;

use leno::green_local;
use leno::thread::{self, AccessError, Builder, LocalKey};

use crate::support::{Ledger, Tracked, in_child, panic_text};

#[test]
fn each_green_thread_creates_its_value_at_first_use() {
    thread_local!(static MADE: Cell<u32> = const { Cell::new(0) });
    green_local!(static KEY: Cell<u32> = {
        MADE.set(MADE.get() + 1);
        Cell::new(7)
    });
    leno::run(|| {
        assert_eq!(MADE.get(), 0);
        KEY.set(1);
        assert_eq!(MADE.get(), 0, "`set` does not create the initial value");
        leno::scope(|scope| {
            for number in 10..15 {
                scope.spawn(move || {
                    assert_eq!(KEY.get(), 7);
                    KEY.set(number);
                    leno::yield_now();
                    assert_eq!(KEY.get(), number);
                });
            }
        });
        assert_eq!((KEY.get(), MADE.get()), (1, 5));
    });
}

mod declared {
    use super::*;

    green_local! {
        /// A doc comment, an attribute and a visibility.
        #[allow(dead_code)]
        pub(super) static ONE: Cell<u8> = Cell::new(1);
        pub static TWO: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        static THREE: u8 = { let two = 2; two + 1 };
        static FOUR: u8 = const { 2 + 2 }
    }
    green_local!(
        static FIVE: u8 = 5;
    );
    green_local!(pub(crate) static SIX: () = ());
    green_local!();

    pub fn sum() -> u8 {
        THREE.with(|three| *three) + FOUR.with(|four| *four) + FIVE.with(|five| *five)
    }
}

#[test]
fn the_syntax_is_the_one_of_thread_local() {
    leno::run(|| {
        assert_eq!(declared::ONE.get(), 1);
        declared::TWO.with_borrow_mut(|two| two.push(2));
        assert_eq!(declared::TWO.take(), [2]);
        assert_eq!(declared::sum(), 12);
        declared::SIX.with(|()| ());
        green_local!(static INSIDE: Cell<u8> = Cell::new(6));
        assert_eq!(INSIDE.take(), 6);
        assert_eq!(INSIDE.take(), 0);
    });
    assert_eq!(format!("{:?}", declared::ONE), "LocalKey { .. }");
}

#[test]
fn keys_without_size_are_told_apart() {
    #[derive(Default)]
    struct Nothing;
    green_local! {
        static A: Nothing = Nothing;
        static B: Nothing = Nothing;
        static C: () = ();
    }
    leno::run(|| {
        A.with(|_| B.with(|_| C.with(|()| ())));
        let address = |key: &'static LocalKey<Nothing>| std::ptr::from_ref(key).addr();
        assert_ne!(address(&A), address(&B));
    });
}

#[test]
fn cells_and_ref_cells_have_the_methods_of_std() {
    green_local! {
        static CELL: Cell<u32> = panic!("not computed for `set`");
        static OTHER: Cell<u32> = const { Cell::new(3) };
        static TEXT: RefCell<String> = RefCell::new("a".to_owned());
    }
    leno::run(|| {
        CELL.set(1);
        assert_eq!((CELL.get(), CELL.replace(2), CELL.take(), CELL.get()), (1, 1, 2, 0));
        assert_eq!((OTHER.replace(4), OTHER.get()), (3, 4));
        assert_eq!(TEXT.with_borrow(String::len), 1);
        TEXT.with_borrow_mut(|text| text.push('b'));
        assert_eq!(TEXT.replace("c".to_owned()), "ab");
        TEXT.set("d".to_owned());
        assert_eq!((TEXT.take(), TEXT.take()), ("d".to_owned(), String::new()));
        let busy = panic_text(|| TEXT.with_borrow(|_| TEXT.set("e".to_owned())));
        assert!(busy.contains("borrowed"), "{busy}");
        assert_eq!(TEXT.try_with(|text| text.borrow().len()), Ok(0));
    });
}

/// A value whose destructor calls a function and then writes its name into a log.
struct Logs(&'static str, Rc<RefCell<Vec<String>>>, fn());

impl Drop for Logs {
    fn drop(&mut self) {
        (self.2)();
        self.1.borrow_mut().push(format!("{} in {}", self.0, thread::current().id()));
    }
}

#[test]
fn destructors_run_newest_first_before_join_returns() {
    green_local! {
        static A: RefCell<Option<Logs>> = const { RefCell::new(None) };
        static B: RefCell<Option<Logs>> = const { RefCell::new(None) };
        static C: RefCell<Option<Logs>> = const { RefCell::new(None) };
    }
    leno::run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = log.clone();
        let handle = leno::spawn(move || {
            // Destructors may wait, and for other green threads too.
            B.set(Some(Logs("b", inner.clone(), leno::yield_now)));
            A.set(Some(Logs("a", inner.clone(), || {
                leno::spawn(|| ()).join().unwrap();
            })));
            C.set(Some(Logs("c", inner, || ())));
        });
        handle.join().unwrap();
        assert_eq!(*log.borrow(), ["c in #2", "a in #2", "b in #2"]);
    });
}

#[test]
fn values_are_dropped_however_the_green_thread_ends() {
    green_local!(static KEY: RefCell<Vec<Tracked>> = const { RefCell::new(Vec::new()) });
    let ledger = Ledger::default();
    leno::run(|| {
        let hold = |value: Tracked| KEY.with_borrow_mut(|values| values.push(value));
        let (one, two, three) = (ledger.value(), ledger.value(), ledger.value());
        let panics = leno::spawn(move || {
            hold(one);
            panic::resume_unwind(Box::new("on purpose"));
        });
        let cancelled = leno::spawn(move || {
            hold(two);
            thread::park();
        });
        drop(leno::spawn(move || hold(three)));
        leno::yield_now();
        cancelled.cancel();
        assert!(panics.join().is_err() && cancelled.join().is_err());
        assert_eq!(ledger.alive(), 0);
        hold(ledger.value());
    });
    assert_eq!(ledger.made(), 4);
    ledger.check();
}

#[test]
fn a_destructor_may_create_the_value_of_another_key() {
    green_local! {
        static FIRST: RefCell<Option<Logs>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Logs>> = const { RefCell::new(None) };
    }
    thread_local!(static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
    leno::run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = log.clone();
        thread_local!(static LOG: RefCell<Option<Rc<RefCell<Vec<String>>>>> = const { RefCell::new(None) });
        LOG.set(Some(log.clone()));
        let handle = leno::spawn(move || {
            FIRST.set(Some(Logs("first", inner, || {
                let error = FIRST.try_with(|_| ()).unwrap_err();
                SEEN.with_borrow_mut(|seen| seen.push(error.to_string()));
                SECOND.set(LOG.take().map(|log| {
                    Logs("second", log, || {
                        assert!(FIRST.try_with(|_| ()).is_err(), "already dropped");
                        assert!(SECOND.try_with(|_| ()).is_err(), "being dropped");
                    })
                }));
            })));
        });
        handle.join().unwrap();
        assert_eq!(*log.borrow(), ["first in #2", "second in #2"]);
        let seen = SEEN.take();
        assert!(seen[0].contains("has been dropped"), "{seen:?}");
    });
}

#[test]
fn an_untaken_result_may_use_keys_in_its_destructor() {
    green_local!(static KEY: RefCell<Vec<NotesId>> = const { RefCell::new(Vec::new()) });
    /// Notes the id of the green thread that drops it.
    struct NotesId(Rc<Cell<u64>>);
    impl Drop for NotesId {
        fn drop(&mut self) {
            leno::yield_now();
            self.0.set(thread::current().id().number());
        }
    }
    struct UsesKey(Rc<Cell<u64>>);
    impl Drop for UsesKey {
        fn drop(&mut self) {
            KEY.with_borrow_mut(|values| values.push(NotesId(self.0.clone())));
        }
    }
    leno::run(|| {
        let id = Rc::new(Cell::new(0));
        let result = UsesKey(id.clone());
        drop(leno::spawn(move || result));
        (0..3).for_each(|_| leno::yield_now());
        assert_eq!(id.get(), 2, "dropped by the thread that created the value");
    });
}

#[test]
fn a_key_needs_a_runtime() {
    green_local!(static KEY: Cell<u32> = const { Cell::new(1) });
    let error: AccessError = KEY.try_with(Cell::get).unwrap_err();
    let error: Box<dyn Error> = Box::new(error);
    assert!(error.to_string().contains("leno::run"), "{error}");
    assert_eq!(
        format!("{:?}", KEY.try_with(|_| ()).unwrap_err()),
        "AccessError { reason: Outside }"
    );
    for text in [panic_text(|| KEY.with(Cell::get)), panic_text(|| KEY.get())] {
        assert!(text.starts_with("LocalKey::with: "), "{text}");
        assert!(text.contains("call it from inside leno::run"), "{text}");
    }
    assert!(panic_text(|| KEY.set(2)).starts_with("LocalKey::set: "));
    assert_eq!(leno::run(|| KEY.get()), 1);
}

#[test]
fn an_initial_value_may_not_need_itself_but_may_panic() {
    green_local! {
        static LOOPS: u32 = LOOPS.with(|own| *own) + 1;
        static PANICS: u32 = {
            TRIES.set(TRIES.get() + 1);
            assert!(TRIES.get() > 2, "try again");
            TRIES.get()
        };
        static NEEDS: u32 = PANICS.with(|other| other * 2);
    }
    thread_local!(static TRIES: Cell<u32> = const { Cell::new(0) });
    leno::run(|| {
        for _ in 0..2 {
            let text = panic_text(|| LOOPS.with(|value| *value));
            assert!(text.contains("it needs itself"), "{text}");
        }
        assert_eq!(panic_text(|| NEEDS.with(|value| *value)), "try again");
        assert_eq!(panic_text(|| PANICS.with(|value| *value)), "try again");
        assert_eq!(NEEDS.with(|value| *value), 6);
        assert_eq!(TRIES.get(), 3);
    });
}

#[test]
fn each_run_has_new_values_in_the_main_thread() {
    green_local!(static KEY: RefCell<Option<OnMain>> = const { RefCell::new(None) });
    struct OnMain(Rc<Cell<u32>>);
    impl Drop for OnMain {
        fn drop(&mut self) {
            // The runtime still runs what a destructor spawns.
            let count = self.0.clone();
            leno::spawn(move || count.set(count.get() + 1));
        }
    }
    let (count, runtime) = (Rc::new(Cell::new(0)), leno::Runtime::new());
    for round in 1..4 {
        runtime.run(|| {
            assert!(KEY.with_borrow(Option::is_none));
            KEY.set(Some(OnMain(count.clone())));
        });
        assert_eq!(count.get(), round);
    }
}

#[test]
fn two_runtimes_share_no_values() {
    green_local!(static KEY: Cell<u32> = const { Cell::new(0) });
    let (one, other) = (leno::Runtime::new(), leno::Runtime::new());
    let adds = |runtime| {
        let adds = || {
            for round in 1..=3 {
                KEY.set(KEY.get() + round);
                leno::yield_now();
            }
            KEY.get()
        };
        Builder::new().spawn_on(runtime, adds).unwrap()
    };
    let handles = [adds(&one), adds(&other), adds(&one)];
    one.run_until_stalled();
    other.run_until_stalled();
    assert_eq!(handles.map(|handle| handle.join().unwrap()), [6, 6, 6]);
    let elsewhere = std::thread::spawn(|| leno::run(|| KEY.get()));
    assert_eq!(elsewhere.join().unwrap(), 0);
}

#[test]
fn many_keys_hold_separate_values_in_many_threads() {
    macro_rules! keys {
        ($($name:ident)*) => {
            green_local!($(static $name: Cell<usize> = Cell::new(stringify!($name).len());)*);
            const KEYS: &[&LocalKey<Cell<usize>>] = &[$(&$name),*];
        };
    }
    keys!(A BB CCC D EE FFF G HH III J KK LLL M NN OOO P QQ RRR S TT UUU V WW XXX Y ZZ);
    leno::run(|| {
        leno::scope(|scope| {
            for number in 0..100 {
                scope.spawn(move || {
                    let before: HashSet<usize> = KEYS.iter().map(|key| key.get()).collect();
                    assert_eq!(before, HashSet::from([1, 2, 3]));
                    KEYS.iter().enumerate().for_each(|(index, key)| key.set(index * number));
                    leno::yield_now();
                    assert!(
                        KEYS.iter().enumerate().all(|(index, key)| key.get() == index * number)
                    );
                });
            }
        });
    });
}

#[test]
fn a_panicking_destructor_aborts() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    green_local!(static KEY: Panics = Panics);
    let child = in_child("local::a_panicking_destructor_aborts", &[], || {
        leno::run(|| leno::spawn(|| KEY.with(|_| ())).join().unwrap());
    });
    child.assert_aborted("leno: the destructor of a green-thread-local value panicked");
}

#[test]
fn destructors_are_not_cancelled() {
    green_local!(static KEY: RefCell<Option<Slow>> = const { RefCell::new(None) });
    struct Slow(Rc<Cell<u32>>);
    impl Drop for Slow {
        fn drop(&mut self) {
            for _ in 0..3 {
                leno::yield_now();
                self.0.set(self.0.get() + 1);
            }
        }
    }
    leno::run(|| {
        let steps = Rc::new(Cell::new(0));
        let inner = steps.clone();
        let handle = leno::spawn(move || {
            KEY.set(Some(Slow(inner)));
            "done"
        });
        leno::yield_now();
        leno::yield_now();
        assert_eq!(steps.get(), 1);
        handle.cancel();
        assert_eq!(handle.join().unwrap(), "done");
        assert_eq!(steps.get(), 3);
    });
}
