//! Programs that use other OS threads and futures, leak values, or keep values beyond
//! an execution.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as OsMutex};
use std::task::{Poll, Waker};
use std::thread as os;
use std::time::Duration;

use leno::sync::Mutex;
use leno::thread;
use leno::weave::{Explorer, FailureKind, explore};
use leno::{Handle, block_on, unblock};

use super::{counts, explored, values};
use crate::support::spawn_each;

#[test]
fn an_unblocked_closure_is_awaited() {
    let report = explore(|| {
        let other = unblock(|| {
            os::sleep(Duration::from_millis(2));
            os::current().id()
        });
        other != os::current().id()
    });
    assert_eq!(counts(&report), (1, vec![(true, 1)]));
    // The clock waits for the closure, too.
    let report = explore(|| {
        let start = leno::time::Instant::now();
        unblock(|| os::sleep(Duration::from_millis(5)));
        leno::sleep(Duration::from_secs(1));
        start.elapsed()
    });
    assert_eq!(counts(&report), (1, vec![(Duration::from_secs(1), 1)]));
    // Two closures run at the same time.
    let report = explore(|| {
        let order = RefCell::new(String::new());
        spawn_each(['a', 'b'], |name| {
            let name = unblock(move || name);
            order.borrow_mut().push(name);
        });
        order.into_inner().len()
    });
    // The explorer does not choose which closure returns first, so that it may find
    // the program not repeatable.
    assert!(report.outcomes().keys().all(|&length| length == 2), "{report}");
    let mut failures = report.failures().iter();
    assert!(failures.all(|found| found.kind() == FailureKind::NotRepeatable), "{report}");
}

#[test]
fn another_os_thread_may_spawn_and_unpark() {
    let report = explore(|| {
        let (handle, main) = (Handle::current(), thread::current().id());
        let other = os::spawn(move || {
            os::sleep(Duration::from_millis(2));
            let spawned = handle.spawn(|| thread::current().id().number());
            let number = spawned.ok().and_then(|spawned| spawned.join().ok());
            handle.unpark(main);
            number
        });
        thread::park();
        other.join().unwrap()
    });
    assert_eq!(counts(&report), (1, vec![(Some(2), 1)]));
}

#[test]
fn a_future_may_be_woken_by_another_os_thread() {
    let report = explore(|| {
        let (is_done, waker) = (Arc::new(AtomicBool::new(false)), Arc::new(OsMutex::new(None)));
        let (sets, wakes) = (is_done.clone(), waker.clone());
        let other = os::spawn(move || {
            // Not before the future has been polled: an execution must be repeatable.
            let waker: Waker = loop {
                let waker = wakes.lock().unwrap().take();
                match waker {
                    Some(waker) => break waker,
                    None => os::sleep(Duration::from_millis(1)),
                }
            };
            sets.store(true, Ordering::SeqCst);
            waker.wake();
        });
        block_on(poll_fn(|context| {
            if is_done.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            *waker.lock().unwrap() = Some(context.waker().clone());
            Poll::Pending
        }));
        other.join().is_ok()
    });
    assert_eq!(counts(&report), (1, vec![(true, 1)]));
}

#[test]
fn futures_of_other_crates_are_explored() {
    let program = || {
        let (sender, receiver) = async_channel::bounded(1);
        let log = Rc::new(RefCell::new(Vec::new()));
        let notes = log.clone();
        let reader = leno::spawn(move || {
            while let Ok(number) = block_on(receiver.recv()) {
                notes.borrow_mut().push(number);
            }
        });
        let send = |number| {
            let sender = sender.clone();
            leno::spawn(move || block_on(sender.send(number)).is_ok())
        };
        let senders = [send(1), send(2)];
        drop(sender);
        assert!(senders.map(|sender| sender.join().unwrap()).iter().all(|&sent| sent));
        reader.join().unwrap();
        log.take()
    };
    let report = Explorer::new().explore(program);
    assert_eq!(values(&report), [[1, 2], [2, 1]], "{report}");
    assert!(report.is_complete() && report.failure().is_none());
    // A join handle is a future.
    let report = explored(&Explorer::new(), || {
        let mut handle = leno::spawn(|| 5);
        block_on(poll_fn(|context| pin!(&mut handle).poll(context))).unwrap()
    });
    assert_eq!(counts(&report), (1, vec![(5, 1)]));
}

#[test]
fn a_future_without_a_waker_is_a_deadlock() {
    let report = explore(|| block_on(std::future::pending::<u8>()));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
}

#[test]
fn detached_green_threads_are_run_to_their_end() {
    let done = Rc::new(Cell::new(0));
    let report = explore(|| {
        for _ in 0..2 {
            let done = done.clone();
            leno::spawn(move || {
                leno::yield_now();
                done.set(done.get() + 1);
            });
        }
        "returned"
    });
    // All their interleavings are executions.
    assert_eq!(counts(&report), (6, vec![("returned", 6)]));
    // The first execution was run twice.
    assert_eq!(done.get(), 14);
    // A thread that waits forever is a deadlock, though the main thread has returned.
    let report = explore(|| drop(leno::spawn(thread::park)));
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
}

#[test]
fn a_forgotten_guard_keeps_the_lock() {
    let report = explored(&Explorer::new(), || {
        let lock = Rc::new(Mutex::new(()));
        let others = lock.clone();
        let forgets = leno::spawn(move || std::mem::forget(others.lock().unwrap()));
        let takes = leno::spawn(move || drop(lock.lock().unwrap()));
        (forgets.join().is_ok(), takes.join().is_ok())
    });
    assert_eq!(report.executions(), 3);
    let found = report.failure().unwrap();
    // The main thread may continue before the other begins.
    assert_eq!((found.kind(), found.count()), (FailureKind::Deadlock, 2));
    assert_eq!(counts(&report).1, [((true, true), 1)]);
}

#[test]
fn a_handle_may_be_forgotten() {
    let program = || {
        std::mem::forget(leno::spawn(|| leno::yield_now()));
        leno::scope(|scope| std::mem::forget(scope.spawn(|| leno::yield_now())));
    };
    let report = explored(&Explorer::new(), program);
    assert_eq!(report.failure(), None);
    // Each execution leaks a stack.
    let report = Explorer::new().random(1).max_executions(200).explore(program);
    assert_eq!((report.executions(), report.failure()), (200, None));
}

#[test]
fn a_handle_may_outlive_its_execution() {
    thread_local! {
        static KEPT: RefCell<Vec<thread::JoinHandle<u32>>> = const { RefCell::new(Vec::new()) };
    }
    let report = explore(|| {
        KEPT.with_borrow_mut(|kept| kept.push(leno::spawn(|| 3)));
        leno::spawn(leno::yield_now);
    });
    assert_eq!((report.executions(), report.failure()), (3, None), "{report}");
    let kept = KEPT.take();
    assert!(kept.iter().all(thread::JoinHandle::is_finished));
    let values: Vec<u32> = kept.into_iter().map(|handle| handle.join().unwrap()).collect();
    assert_eq!(values, [3; 4]);
}

#[test]
fn a_lock_may_outlive_its_execution() {
    thread_local! {
        static LOCK: Mutex<u32> = const { Mutex::new(0) };
    }
    // The value of the lock makes the program not repeatable.
    let report = explore(|| {
        LOCK.with(|lock| {
            let mut number = lock.lock().unwrap();
            *number += 1;
            *number
        })
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::NotRepeatable);
    // A program that does not return the value is repeatable.
    let report = Explorer::new().reduced().preemptive().explore(|| {
        LOCK.with(|lock| {
            spawn_each(0..2, |_| *lock.lock().unwrap() += 1);
        });
    });
    assert_eq!(report.failure(), None);
}

#[test]
fn thread_locals_are_kept_between_executions() {
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }
    let counted = || {
        COUNT.set(COUNT.get() + 1);
        COUNT.get()
    };
    assert_eq!(explore(counted).failure().unwrap().kind(), FailureKind::NotRepeatable);
    let report = explore(|| {
        COUNT.set(0);
        counted()
    });
    assert_eq!((report.failure(), counts(&report).1), (None, vec![(1, 1)]));
}

#[test]
fn a_panic_poisons_a_lock() {
    let report = explored(&Explorer::new(), || {
        let lock = Rc::new(Mutex::new(()));
        let others = lock.clone();
        let panics = move || {
            let _guard = others.lock().unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        };
        let caught = leno::spawn(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)));
        leno::yield_now();
        let poisoned = lock.lock().is_err();
        let _ = caught.join().unwrap();
        poisoned
    });
    assert_eq!(counts(&report), (2, vec![(false, 1), (true, 1)]));
}
