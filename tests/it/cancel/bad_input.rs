//! Misuse, with one defined outcome for each case.
//!
//! | what | outcome | where |
//! | --- | --- | --- |
//! | cancel twice, or after the end | nothing | `cancel` |
//! | join twice | does not compile | `compile_fail` |
//! | unpark after the end | nothing | here |
//! | send on a closed channel | an error that gives the value back | `channel` |
//! | capacity, duration or permits of zero | no special case: rendezvous, a turn for others | `channel`, `time` |
//! | a destructor that waits while unwinding | it may wait; the unwinding goes on afterwards | here |
//! | a spawn from a destructor at shutdown | it runs, and is waited for | here |
//! | a closure that never yields | no other green thread runs; a cancellation waits for its end | here, `cancel` |
//! | a select on nothing | its default, or it does not compile | `select`, `compile_fail` |
//! | a past deadline | others have a turn, then it has elapsed | `time` |
//! | a lock held across a cancel | released by the unwinding, and poisoned | `sync::poison` |
//! | a runtime dropped with live green threads | they are unwound | here |
//! | a handle that outlives its runtime | an error that gives the closure back | `handle` |
//! | a fork while green threads are alive | two runtimes | `embed` |

use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;

use leno::channel::{bounded, unbounded};
use leno::thread::{self, Builder, Cancelled};
use leno::time::{Duration, sleep};

use crate::support::{
    Ledger, OnDrop, SECOND, assert_cancelled, caught, in_child, in_virtual_time, panic_text,
    text_of,
};

#[test]
fn unparking_after_the_end_does_nothing() {
    let thread = leno::run(|| {
        let handle = leno::spawn(|| ());
        let thread = handle.thread().clone();
        handle.join().unwrap();
        (0..3).for_each(|_| thread.unpark());
        // The stack belongs to another green thread by now, which must not notice.
        let other = leno::spawn(thread::park);
        leno::yield_now();
        thread.unpark();
        thread.cancel();
        leno::yield_now();
        assert!(!other.is_finished());
        other.thread().unpark();
        other.join().unwrap();
        thread
    });
    // Nor after the end of the runtime.
    thread.unpark();
    thread.cancel();
    assert_eq!(thread.id().number(), 2);
}

#[test]
fn a_destructor_may_wait_during_cancellation() {
    in_virtual_time(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (sender, receiver) = bounded(0);
        let inner = log.clone();
        let handle = leno::spawn(move || {
            let _last = OnDrop(|| inner.borrow_mut().push("outer".to_owned()));
            let _waits = OnDrop(|| {
                sleep(SECOND);
                leno::yield_now();
                let got: Result<&str, _> = receiver.recv();
                let helper = leno::spawn(|| "helper").join().unwrap();
                inner.borrow_mut().push(format!("{} {helper}", got.unwrap()));
            });
            thread::park();
        });
        leno::yield_now();
        handle.cancel();
        sleep(5 * SECOND);
        assert!(log.borrow().is_empty() && !handle.is_finished());
        sender.send("message").unwrap();
        assert_cancelled(handle);
        assert_eq!(*log.borrow(), ["message helper", "outer"]);
    });
}

#[test]
fn a_destructor_outside_unwinding_is_a_cancellation_point() {
    in_virtual_time(|| {
        let done = Rc::new(Cell::new(0));
        let inner = done.clone();
        let handle = leno::spawn(move || {
            {
                // The destructor runs without a panic, so the sleep is unwound as in
                // any
                // other code.
                let inner = inner.clone();
                let _waits = OnDrop(move || {
                    sleep(2 * SECOND);
                    inner.set(inner.get() + 1);
                });
            }
            inner.set(inner.get() + 10);
        });
        sleep(SECOND);
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(done.get(), 0);
    });
}

#[test]
fn cancelling_a_panicking_thread_keeps_its_panic() {
    in_virtual_time(|| {
        let done = Rc::new(Cell::new(false));
        let inner = done.clone();
        let handle = leno::spawn(move || {
            let _waits = OnDrop(|| {
                sleep(2 * SECOND);
                assert!(thread::panicking());
                inner.set(true);
            });
            panic::resume_unwind(Box::new("the panic"));
        });
        sleep(SECOND);
        handle.cancel();
        assert!(!thread::panicking(), "the panic belongs to another green thread");
        let payload = handle.join().unwrap_err();
        assert_eq!((text_of(payload).as_str(), done.get()), ("the panic", true));
    });
}

#[test]
fn panicking_is_true_only_in_the_panicking_thread() {
    in_virtual_time(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let inner = seen.clone();
        let handle = leno::spawn(move || {
            let _waits = OnDrop(|| {
                inner.borrow_mut().push(("panics", thread::panicking()));
                sleep(SECOND);
                inner.borrow_mut().push(("panics", thread::panicking()));
            });
            panic::resume_unwind(Box::new(()));
        });
        leno::yield_now();
        seen.borrow_mut().push(("other", thread::panicking()));
        assert!(std::thread::panicking(), "std counts the panics of the OS thread");
        assert!(handle.join().is_err());
        seen.borrow_mut().push(("other", thread::panicking()));
        let expected = [("panics", true), ("other", false), ("panics", true), ("other", false)];
        assert_eq!(*seen.borrow(), expected);
    });
    assert!(!thread::panicking());
}

#[test]
fn a_thread_spawned_by_a_destructor_at_shutdown_runs() {
    for way_out in ["return", "panic", "deadlock", "drop"] {
        let (ran, depth) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        fn spawns(ran: Rc<Cell<u32>>, depth: Rc<Cell<u32>>) -> impl FnMut() {
            move || {
                let (ran, depth) = (ran.clone(), depth.clone());
                leno::spawn(move || {
                    ran.set(ran.get() + 1);
                    leno::yield_now();
                    if depth.replace(depth.get() + 1) < 3 {
                        // Spawns another green thread at the end of this one.
                        drop(OnDrop(spawns(ran.clone(), depth.clone())));
                    }
                });
            }
        }
        let body = {
            let at_the_end = spawns(ran.clone(), depth.clone());
            move || {
                let _spawns = OnDrop(at_the_end);
                match way_out {
                    "return" => (),
                    "panic" => panic::resume_unwind(Box::new("on the way out")),
                    _ => thread::park(),
                }
            }
        };
        match way_out {
            "drop" => {
                let runtime = leno::Runtime::new();
                drop(Builder::new().spawn_on(&runtime, body).unwrap());
                runtime.run_until_stalled();
            }
            _ => drop(caught(|| leno::run(body))),
        }
        assert_eq!(ran.get(), 4, "{way_out}");
    }
}

#[test]
fn a_runtime_dropped_with_live_green_threads_unwinds_them() {
    let ledger = Ledger::default();
    let (sender, receiver) = unbounded();
    let runtime = leno::Builder::new().virtual_time().build();
    let spawn = |f: Box<dyn FnOnce()>| Builder::new().spawn_on(&runtime, f).unwrap();
    let hold = |wait: fn()| {
        let value = ledger.value();
        spawn(Box::new(move || {
            let _value = value;
            wait();
        }))
    };
    let waiting = [hold(thread::park), hold(|| sleep(Duration::MAX))];
    let shielded = hold(|| thread::shield(thread::park));
    drop(hold(thread::park));
    let value = ledger.value();
    let waits_for_message = spawn(Box::new(move || {
        let _value = value;
        receiver.recv().unwrap();
    }));
    runtime.run_until_stalled();
    let not_begun = hold(|| unreachable!("the closure never runs"));
    assert_eq!(ledger.alive(), 6);
    drop(runtime);
    ledger.check();
    assert_eq!(sender.send(()).map_err(|_| "no receiver"), Err("no receiver"));
    for handle in waiting.into_iter().chain([shielded, not_begun, waits_for_message]) {
        assert!(handle.is_finished());
        assert!(handle.join().unwrap_err().is::<Cancelled>());
    }
}

#[test]
fn waiting_for_ever_in_a_destructor_at_shutdown_aborts() {
    let name = "cancel::bad_input::waiting_for_ever_in_a_destructor_at_shutdown_aborts";
    let child = in_child(name, &[], || {
        let runtime = leno::Runtime::new();
        let waits = || {
            let _waits = OnDrop(thread::park);
            thread::park();
        };
        Builder::new().name("stubborn".to_owned()).spawn_on(&runtime, waits).unwrap();
        runtime.run_until_stalled();
        drop(runtime);
    });
    child.assert_aborted("leno: this is while they are unwound");
    assert!(child.stderr().contains("'stubborn' (#2)"), "{}", child.stderr());
}

#[test]
fn a_loop_that_catches_every_cancellation_aborts() {
    let name = "cancel::bad_input::a_loop_that_catches_every_cancellation_aborts";
    let child = in_child(name, &[], || {
        leno::run(|| {
            let handle = leno::spawn(|| {
                loop {
                    let _ = panic::catch_unwind(thread::park);
                }
            });
            leno::yield_now();
            handle.cancel();
            let _: thread::Result<()> = handle.join();
        });
    });
    child.assert_aborted(
        "leno: a green thread that is being unwound has caught the unwinding and waited again \
         1000 times; a loop around catch_unwind must end when it catches a payload that it does \
         not know",
    );
}

#[test]
fn a_closure_that_never_yields_is_not_unwound() {
    leno::run(|| {
        let ran = Rc::new(Cell::new(false));
        let set = ran.clone();
        let other = leno::spawn(move || set.set(true));
        let spins = leno::spawn({
            let ran = ran.clone();
            move || {
                thread::current().cancel();
                (0..1_000_000u64).fold(0, |sum, number| sum ^ number) + u64::from(ran.get())
            }
        });
        assert!(!ran.get(), "spawning does not run other green threads");
        other.join().unwrap();
        assert!(spins.join().is_ok(), "the closure has no wait");
    });
}

#[test]
fn a_scope_carried_out_of_its_runtime_aborts() {
    use leno::coroutine::Coroutine;
    let name = "cancel::bad_input::a_scope_carried_out_of_its_runtime_aborts";
    let child = in_child(name, &[], || {
        let coroutine = Rc::new(Coroutine::<(), (), ()>::new(|yielder, ()| {
            let borrowed = Cell::new(0);
            leno::scope(|scope| {
                scope.spawn(|| {
                    thread::park();
                    borrowed.set(1);
                });
                yielder.suspend(());
            });
        }));
        let runtime = leno::Runtime::new();
        let carried = coroutine.clone();
        Builder::new()
            .spawn_on(&runtime, move || {
                carried.resume(());
            })
            .unwrap();
        runtime.run_until_stalled();
        coroutine.resume(());
    });
    child.assert_aborted("leno: resume or drop the coroutine inside the runtime");
}

#[test]
fn every_send_and_receive_fails_on_a_closed_channel() {
    in_virtual_time(|| {
        let (sender, receiver) = bounded(0);
        drop(receiver);
        assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
        assert_eq!(sender.try_send(2).unwrap_err().into_inner(), 2);
        assert_eq!(sender.send_timeout(3, Duration::MAX).unwrap_err().into_inner(), 3);
        let (sender, receiver) = bounded::<()>(0);
        drop(sender);
        assert!(receiver.recv().is_err() && receiver.try_recv().unwrap_err().is_disconnected());
        assert!(receiver.recv_timeout(Duration::MAX).unwrap_err().is_disconnected());
        assert_eq!(receiver.iter().count(), 0);
    });
    // A green thread with both ends waits for itself.
    let text = panic_text(|| {
        in_virtual_time(|| {
            let (sender, _receiver) = bounded(0);
            sender.send(1)
        })
    });
    assert!(text.starts_with("deadlock") && text.contains("channel"), "{text}");
}
