//! Panic hooks: they may wait, and std's count of panics stays right; and which green thread
//! panics is told.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::bounded;
use leno::coroutine::Coroutine;
use leno::sync::Mutex;
use leno::thread::{self, Builder};
use leno::time::{sleep, timeout};

use crate::support::{OnDrop, SECOND, assert_cancelled, in_child, in_virtual_time, text_of};

fn panics_quietly() {
    panic::resume_unwind(Box::new("quiet"));
}

/// Asserts that std's count of panics is zero, and counts.
#[track_caller]
fn assert_counts() {
    assert!(!std::thread::panicking() && !thread::panicking());
    let seen = Cell::new(false);
    let lock = std::sync::Mutex::new(());
    let panics = || {
        let _looks = OnDrop(|| seen.set(std::thread::panicking() && thread::panicking()));
        let _guard = lock.lock();
        panics_quietly();
    };
    assert!(panic::catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(seen.get(), "a panic is counted");
    assert!(lock.is_poisoned(), "and poisons a lock of std");
    assert!(!std::thread::panicking());
}

/// Asserts as [`assert_counts`], in a runtime.
#[track_caller]
fn assert_counts_in_runtime() {
    assert_counts();
    let lock = Rc::new(Mutex::new(()));
    let inner = lock.clone();
    let panics = leno::spawn(move || {
        let _guard = inner.lock();
        panics_quietly();
    });
    assert!(panics.join().is_err());
    assert!(lock.is_poisoned());
}

thread_local! {
    static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn log(text: &'static str) {
    LOG.with_borrow_mut(|log| log.push(text));
}

/// Installs a hook that runs `wait`.
fn wait_in_hook(wait: impl Fn() + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |_| {
        log("hook");
        wait();
        log("hook ends");
    }));
}

#[test]
fn a_hook_may_wait() {
    let waits: [fn(); 6] = [
        leno::yield_now,
        || sleep(SECOND),
        || _ = leno::spawn(leno::yield_now).join(),
        || leno::scope(|scope| drop(scope.spawn(|| sleep(SECOND)))),
        || {
            let (sender, receiver) = bounded(0);
            leno::spawn(move || sender.send(()));
            receiver.recv().unwrap();
        },
        || {
            let lock = Rc::new(Mutex::new(()));
            let inner = lock.clone();
            leno::spawn(move || {
                let _guard = inner.lock();
                sleep(SECOND);
            });
            leno::yield_now();
            drop(lock.lock().unwrap());
        },
    ];
    in_child("cancel::hooks::a_hook_may_wait", &[], || {
        for wait in waits {
            wait_in_hook(wait);
            in_virtual_time(|| {
                let other = leno::spawn(|| (0..9).for_each(|_| leno::yield_now()));
                let handle = leno::spawn(|| panic!("the thread's"));
                assert_eq!(text_of(handle.join().unwrap_err()), "the thread's");
                other.join().unwrap();
                assert_counts_in_runtime();
            });
            assert_counts();
            // Nor does the panic of another OS thread show here.
            let panics = std::thread::spawn(|| {
                let _looks = OnDrop(assert_no_panic_elsewhere);
                panics_quietly();
            });
            assert!(panics.join().is_err());
        }
        assert_eq!(LOG.take(), ["hook", "hook ends"].repeat(waits.len()));
    })
    .assert_survived();
}

fn assert_no_panic_elsewhere() {
    std::thread::spawn(|| assert!(!std::thread::panicking())).join().unwrap();
}

#[test]
fn a_runtime_may_be_made_in_a_hook() {
    in_child("cancel::hooks::a_runtime_may_be_made_in_a_hook", &[], || {
        wait_in_hook(|| leno::run(leno::yield_now));
        assert!(panic::catch_unwind(|| panic!("outside")).is_err());
        assert_counts();
        assert_eq!(LOG.take(), ["hook", "hook ends"]);
        in_virtual_time(assert_counts_in_runtime);
    })
    .assert_survived();
}

#[test]
fn a_thread_that_is_cancelled_in_its_hook_keeps_its_panic() {
    let name = "cancel::hooks::a_thread_that_is_cancelled_in_its_hook_keeps_its_panic";
    in_child(name, &[], || {
        wait_in_hook(|| sleep(2 * SECOND));
        in_virtual_time(|| {
            let handle = leno::spawn(|| {
                // Nor does a deadline around it unwind the hook.
                timeout(SECOND, || panic!("the thread's")).unwrap()
            });
            leno::yield_now();
            handle.cancel();
            let payload = handle.join().unwrap_err();
            assert_eq!(text_of(payload), "the thread's");
            assert_counts_in_runtime();
        });
        assert_counts();
        assert_eq!(LOG.take(), ["hook", "hook ends"]);
    })
    .assert_survived();
}

#[test]
fn other_threads_are_unwound_after_a_hook_that_waits() {
    let name = "cancel::hooks::other_threads_are_unwound_after_a_hook_that_waits";
    in_child(name, &[], || {
        let parks = || {
            leno::spawn(|| {
                let _logs = OnDrop(|| log("unwound"));
                thread::park();
            })
        };
        wait_in_hook(|| sleep(9 * SECOND));
        in_virtual_time(|| {
            // Before the hook, in the same turn; and while it waits.
            let (early, late, not_begun) = (parks(), parks(), parks());
            let timed = leno::spawn(|| {
                let result = timeout(SECOND, thread::park);
                log("elapsed");
                assert!(result.is_err());
            });
            leno::yield_now();
            let early_thread = early.thread().clone();
            let panics = leno::spawn(move || {
                early_thread.cancel();
                panic!("the thread's");
            });
            leno::yield_now();
            assert_eq!(LOG.take(), ["hook"]);
            late.cancel();
            let new = parks();
            new.cancel();
            sleep(2 * SECOND);
            assert!(LOG.take().is_empty(), "nothing is unwound amid the hook");
            not_begun.thread().unpark();
            assert!(not_begun.join().is_ok(), "but threads go on");
            assert_eq!(LOG.take(), ["unwound"]);
            assert!(panics.join().is_err());
            timed.join().unwrap();
            [early, late].into_iter().for_each(assert_cancelled);
            // It began before its cancellation could be done, and parks.
            assert_cancelled(new);
            let mut told = LOG.take();
            assert_eq!(told.remove(0), "hook ends");
            told.sort_unstable();
            assert_eq!(told, ["elapsed", "unwound", "unwound", "unwound"]);
            assert_counts_in_runtime();
        });
        assert_counts();
    })
    .assert_survived();
}

/// Panics in the main green thread, in one with a name, and in one without.
fn panic_thrice() {
    leno::run(|| {
        let named = Builder::new().name("parser".to_owned()).spawn(|| panic!("named"));
        assert!(named.unwrap().join().is_err());
        assert!(leno::spawn(|| panic!("unnamed")).join().is_err());
        assert!(panic::catch_unwind(|| panic!("in main")).is_err());
    });
    assert!(panic::catch_unwind(|| panic!("outside")).is_err());
}

#[track_caller]
fn told(name: &str, body: fn()) -> Vec<String> {
    let child = in_child(name, &[("RUST_BACKTRACE", "0")], body);
    let stderr = child.assert_survived().stderr();
    let is_told = |line: &&str| {
        let words = ["leno: ", "hook", "named", "unnamed", "in main", "outside"];
        words.iter().any(|word| line.starts_with(word))
    };
    stderr.lines().filter(is_told).map(str::to_owned).collect()
}

#[test]
fn a_panic_names_its_green_thread() {
    let told = told("cancel::hooks::a_panic_names_its_green_thread", panic_thrice);
    let (named, unnamed) =
        ("leno: green thread 'parser' (#2) panics", "leno: green thread #3 panics");
    assert_eq!(told, [named, "named", unnamed, "unnamed", "in main", "outside"]);
}

#[test]
fn a_hook_of_the_program_is_left_alone() {
    let told = told("cancel::hooks::a_hook_of_the_program_is_left_alone", || {
        panic::set_hook(Box::new(|_| eprintln!("hook")));
        panic_thrice();
        panic::set_hook(Box::new(|_| eprintln!("hook 2")));
        panic_thrice();
    });
    assert_eq!(told, [["hook"; 4], ["hook 2"; 4]].concat());
}

#[test]
fn a_hook_that_calls_the_one_before_has_the_name() {
    let told = told("cancel::hooks::a_hook_that_calls_the_one_before_has_the_name", || {
        leno::run(|| ());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            eprintln!("hook");
            before(info);
        }));
        leno::run(|| assert!(leno::spawn(|| panic!("unnamed")).join().is_err()));
    });
    assert_eq!(told, ["hook", "leno: green thread #2 panics", "unnamed"]);
}

/// Sets a hook that names the thread by the handle to the current one.
fn name_in_hook() {
    panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let text = info.payload().downcast_ref::<&str>().expect("a text");
        eprintln!("hook: {} {} {text}", thread.name().unwrap_or("-"), thread.id());
    }));
}

/// Panics in a coroutine of a green thread, in a destructor that a cancellation runs, in a destructor
/// of a local of a thread that has ended, and on an OS thread that a green thread waits for.
fn panic_in_corners() {
    leno::green_local! {
        static LOCAL: OnDrop<fn()> = OnDrop(|| _ = panic::catch_unwind(|| panic!("local")));
    }
    leno::run(|| {
        let nested =
            leno::spawn(|| Coroutine::<(), (), ()>::new(|_, ()| panic!("nested")).resume(()));
        assert!(nested.join().is_err());
        let cancelled = leno::spawn(|| {
            let _panics = OnDrop(|| _ = panic::catch_unwind(|| panic!("cancelled")));
            thread::park();
        });
        leno::yield_now();
        cancelled.cancel();
        assert_cancelled(cancelled);
        leno::spawn(|| LOCAL.with(|_| ())).join().unwrap();
        let os = std::thread::Builder::new().name("os".to_owned());
        assert!(os.spawn(|| panic!("elsewhere")).unwrap().join().is_err());
    });
}

#[test]
fn a_hook_of_the_program_can_name_the_green_thread() {
    const NAME: &str = "cancel::hooks::a_hook_of_the_program_can_name_the_green_thread";
    let told = told(NAME, || {
        // Before the first runtime, after it, and inside.
        for _ in 0..2 {
            name_in_hook();
            panic_thrice();
        }
        leno::run(|| {
            leno::spawn(name_in_hook).join().unwrap();
            assert!(leno::spawn(|| panic!("unnamed")).join().is_err());
        });
        panic_in_corners();
    });
    // Outside a runtime, it is the OS thread.
    let outside = format!("{NAME} #1 outside");
    let thrice = ["parser #2 named", "- #3 unnamed", "main #1 in main", &outside];
    let corners =
        ["- #3 unnamed", "- #2 nested", "- #3 cancelled", "- #4 local", "os #2 elsewhere"];
    let expected = [&thrice[..], &thrice, &corners].concat();
    assert_eq!(told, expected.iter().map(|line| format!("hook: {line}")).collect::<Vec<_>>());
}

#[cfg(feature = "weave")]
#[test]
fn a_panic_after_an_exploration_names_its_thread() {
    let told = told("cancel::hooks::a_panic_after_an_exploration_names_its_thread", || {
        let fails = || leno::spawn(|| panic!("explored")).join().is_err();
        assert!(leno::weave::explore(fails).failure().is_some());
        panic_thrice();
    });
    assert_eq!(told.len(), 6, "{told:?}");
}
