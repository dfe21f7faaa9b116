//! Blocking closures on OS threads of their own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread as os;

use leno::thread::{self, Cancelled};
use leno::time::{Duration, Instant, timeout};
use leno::{Builder, Handle, Runtime, unblock};

use crate::support::{panic_text, text_of};

/// A value that sends the id of the OS thread that drops it.
struct Tells(mpsc::Sender<os::ThreadId>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(os::current().id());
    }
}

#[test]
fn unblock_runs_on_another_os_thread() {
    leno::run(|| {
        let elsewhere = unblock(|| (os::current().id(), String::from("value")));
        assert_ne!(elsewhere.0, os::current().id());
        assert_eq!(elsewhere.1, "value");
    });
}

#[test]
fn other_green_threads_run_meanwhile() {
    leno::run(|| {
        let (sender, receiver) = mpsc::channel();
        let log = Rc::new(RefCell::new(Vec::new()));
        let other = {
            let log = log.clone();
            leno::spawn(move || {
                log.borrow_mut().push("other");
                // The closure waits for this message.
                sender.send(()).unwrap();
            })
        };
        unblock(move || receiver.recv().unwrap());
        log.borrow_mut().push("unblocked");
        assert_eq!(*log.borrow(), ["other", "unblocked"]);
        other.join().unwrap();
    });
}

#[test]
fn several_closures_run_at_the_same_time() {
    leno::run(|| {
        // Each closure waits for all others.
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let handles: Vec<_> = (0..8)
            .map(|n| {
                let barrier = barrier.clone();
                leno::spawn(move || {
                    unblock(move || {
                        barrier.wait();
                        n
                    })
                })
            })
            .collect();
        let sum: i32 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, 28);
    });
}

#[test]
fn a_panic_of_the_closure_reaches_the_caller() {
    leno::run(|| {
        assert_eq!(panic_text(|| unblock(|| panic!("over there"))), "over there");
        let handle = leno::spawn(|| unblock(|| panic!("{}", 7)));
        let result: thread::Result<()> = handle.join();
        assert_eq!(text_of(result.unwrap_err()), "7");
        assert_eq!(unblock(|| 1), 1);
    });
}

#[test]
fn a_cancelled_caller_does_not_wait_for_the_closure() {
    leno::run(|| {
        let here = os::current().id();
        let (goes_on, go_on) = mpsc::channel::<()>();
        let (begins, begun) = mpsc::channel();
        let (tells, told) = mpsc::channel();
        let waiter = leno::spawn(move || {
            unblock(move || {
                begins.send(()).unwrap();
                go_on.recv().unwrap();
                Tells(tells)
            })
        });
        leno::yield_now();
        begun.recv().unwrap();
        waiter.cancel();
        assert!(waiter.join().is_err_and(|payload| payload.is::<Cancelled>()));
        // The closure is still running.
        assert!(told.try_recv().is_err());
        goes_on.send(()).unwrap();
        // The closure's result is dropped on the other OS thread.
        assert_ne!(told.recv().unwrap(), here);
    });
}

#[test]
fn a_cancelled_caller_does_not_start_the_closure() {
    leno::run(|| {
        let (tells, told) = mpsc::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let begins = begun.clone();
        let waiter = leno::spawn(move || {
            let tells = Tells(tells);
            thread::shield(leno::yield_now);
            unblock(move || {
                begins.store(true, Ordering::SeqCst);
                drop(tells);
            })
        });
        leno::yield_now();
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is::<Cancelled>());
        told.recv().unwrap();
        assert!(!begun.load(Ordering::SeqCst));
    });
}

#[test]
fn a_shield_waits_for_the_closure() {
    leno::run(|| {
        let (goes_on, go_on) = mpsc::channel::<()>();
        let waiter = leno::spawn(move || {
            let value = thread::shield(|| unblock(move || go_on.recv().is_ok()));
            assert!(value);
            leno::yield_now();
        });
        leno::yield_now();
        waiter.cancel();
        leno::yield_now();
        assert!(!waiter.is_finished());
        goes_on.send(()).unwrap();
        assert!(waiter.join().unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn virtual_time_stands_still_while_a_closure_runs() {
    Builder::new().virtual_time().run(|| {
        let day = Duration::from_secs(86_400);
        let (sender, receiver) = mpsc::channel::<()>();
        let start = Instant::now();
        let sleeper = leno::spawn(move || {
            leno::sleep(day);
            start.elapsed()
        });
        let handle = Handle::current();
        // The closure ends after a green thread has run, which takes no virtual time.
        let spawned = unblock(move || {
            let remote = handle.spawn(move || sender.send(())).unwrap();
            receiver.recv().unwrap();
            remote
        });
        assert_eq!(start.elapsed(), Duration::ZERO);
        spawned.join().unwrap().unwrap();
        assert_eq!(sleeper.join().unwrap(), day);
    });
}

#[test]
fn virtual_time_advances_after_the_caller_is_cancelled() {
    Builder::new().virtual_time().run(|| {
        let (goes_on, go_on) = mpsc::channel::<()>();
        let waiter = leno::spawn(move || unblock(move || go_on.recv().is_ok()));
        leno::yield_now();
        waiter.cancel();
        assert!(waiter.join().is_err());
        // This sleep would never end if the closure still counted.
        leno::sleep(Duration::from_secs(1));
        drop(goes_on);
    });
}

#[test]
fn a_deadline_ends_the_wait_for_a_closure() {
    leno::run(|| {
        let (goes_on, go_on) = mpsc::channel::<()>();
        let slow = timeout(Duration::from_millis(1), || unblock(move || go_on.recv().is_ok()));
        assert!(slow.is_err());
        drop(goes_on);
    });
}

#[test]
fn a_dropped_runtime_does_not_wait_for_the_closure() {
    let (goes_on, go_on) = mpsc::channel::<()>();
    let (tells, told) = mpsc::channel();
    let runtime = Runtime::new();
    let handle = leno::thread::Builder::new()
        .spawn_on(&runtime, move || {
            unblock(move || {
                go_on.recv().unwrap();
                Tells(tells)
            })
        })
        .unwrap();
    assert!(runtime.run_until_stalled());
    drop(runtime);
    assert!(handle.join().is_err_and(|payload| payload.is::<Cancelled>()));
    // If the closure has not begun by now, it never does.
    let _ = goes_on.send(());
    let _ = told.recv();
}

#[test]
fn outside_a_runtime_it_panics() {
    let text = panic_text(|| unblock(|| 1));
    assert_eq!(text, "leno::unblock needs a runtime: call it from inside leno::run");
}

/// The pool is full of closures that wait, and reports say what the others wait for.
#[cfg(feature = "debug")]
#[test]
fn a_full_pool_is_named_and_can_grow() {
    let test = "unblock::a_full_pool_is_named_and_can_grow";
    let ended = crate::support::in_child(test, &[("BLOCKING_MAX_THREADS", "2")], || {
        leno::run(|| {
            let barrier = Arc::new(std::sync::Barrier::new(3));
            for _ in 0..3 {
                let barrier = barrier.clone();
                leno::spawn(move || unblock(move || barrier.wait().is_leader()));
            }
            let count = |words: &str| match leno::debug::stalled(Duration::ZERO) {
                Some(report) => report.to_string().matches(words).count(),
                None => 0,
            };
            // The third closure cannot begin, and the other two wait for it.
            while count("for the end of a closure in unblock") != 2 {
                leno::sleep(Duration::from_millis(1));
            }
            assert_eq!(count("for a free OS thread of the pool of unblock"), 1);
            leno::set_unblock_limit(3.try_into().unwrap());
            // The pool looks at its limit when a closure comes.
            unblock(|| ());
        });
    });
    ended.assert_survived();
}
