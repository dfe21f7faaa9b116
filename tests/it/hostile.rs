//! Safe code at the worst moment: it uses the runtime where switching is forbidden,
//! drops a stack that is in use, and waits across runtimes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leno::coroutine::{Coroutine, Yielder};
use leno::thread::{self, JoinHandle};
use leno::{Builder, Policy, Runtime};

use super::support::{caught, in_child, panic_text};

/// Runs three green threads that yield, under a policy that calls `does` at its second
/// decision.
fn with_policy_calling(mut does: impl FnMut() + 'static) {
    let mut asked = 0;
    let policy = Policy::choose(move |_| {
        asked += 1;
        if asked == 2 {
            does();
        }
        0
    });
    Builder::new().policy(policy).run(|| {
        for _ in 0..3 {
            leno::spawn(|| {
                for _ in 0..3 {
                    leno::yield_now();
                }
            });
        }
    });
}

#[test]
fn a_switch_inside_a_policy_panics() {
    in_child("hostile::a_switch_inside_a_policy_panics", &[], || {
        let uses: [fn(); 4] = [
            leno::yield_now,
            thread::park,
            || leno::sleep(Duration::from_millis(1)),
            || drop(leno::spawn(|| {})),
        ];
        for does in uses {
            let text = panic_text(|| with_policy_calling(does));
            assert!(text.contains("needs a runtime"), "{text}");
        }
    })
    .assert_survived();
}

/// A policy runs on the stack of the green thread that is leaving. That stack must live
/// until the next green thread is entered, even if the policy drops its owner's handle.
#[test]
fn a_policy_may_free_the_stack_it_runs_on() {
    fn free_ended(with: fn(JoinHandle<u64>)) {
        let handles: Rc<RefCell<Vec<JoinHandle<u64>>>> = Rc::default();
        let freed = Rc::new(Cell::new(0));
        let (mine, count) = (handles.clone(), freed.clone());
        let mut others: Vec<Coroutine<(), (), ()>> = Vec::new();
        let policy = Policy::choose(move |_| {
            let ended = mine.borrow().iter().position(JoinHandle::is_finished);
            if let Some(ended) = ended {
                let handle = mine.borrow_mut().remove(ended);
                with(handle);
                // The coroutine gets the stack that was freed last, and writes on it.
                for _ in 0..3 {
                    let coroutine = Coroutine::new(scribble);
                    let _ = coroutine.resume(());
                    others.push(coroutine);
                }
                count.set(count.get() + 1);
            }
            0
        });
        Builder::new().policy(policy).run(move || {
            let spawned = (0..8).map(|number| leno::spawn(move || number));
            handles.borrow_mut().extend(spawned);
        });
        assert!(freed.get() >= 6, "{}", freed.get());
    }
    fn scribble(yielder: &Yielder<(), ()>, (): ()) {
        let mut bytes = [0xa5u8; 4096];
        std::hint::black_box(&mut bytes);
        yielder.suspend(());
        std::hint::black_box(&mut bytes);
    }
    in_child("hostile::a_policy_may_free_the_stack_it_runs_on", &[], || {
        free_ended(drop);
        free_ended(|handle| assert!(handle.join().unwrap() < 8));
    })
    .assert_survived();
}

#[test]
fn a_policy_may_run_a_runtime_of_its_own() {
    let sum = Rc::new(Cell::new(0));
    let inner = sum.clone();
    with_policy_calling(move || {
        let handle = || leno::spawn(|| 20).join().unwrap() + leno::spawn(|| 22).join().unwrap();
        inner.set(leno::run(handle));
    });
    assert_eq!(sum.get(), 42);
}

/// Each green thread goes on in its own runtime, not in that of the joined thread.
#[test]
fn a_join_may_cross_runtimes() {
    in_child("hostile::a_join_may_cross_runtimes", &[], || {
        let (one, other) = (Runtime::new(), Runtime::new());
        let target = thread::Builder::new().spawn_on(&other, || 42).unwrap();
        let ended = Rc::new(Cell::new(None));
        let result = ended.clone();
        let waits = move || result.set(Some((target.join().unwrap(), thread::current().id())));
        let waiter = thread::Builder::new().spawn_on(&one, waits).unwrap();
        let id = waiter.thread().id();
        assert!(one.run_until_stalled(), "the joiner waits");
        assert!(!other.run_until_stalled());
        assert_eq!(ended.get(), None, "the joiner's runtime has not run");
        assert!(!one.run_until_stalled());
        assert_eq!(ended.get(), Some((42, id)));
    })
    .assert_survived();
}

/// A runtime that ends inside another wakes the joiners of its green threads and leaves
/// them in their own runtime.
#[test]
fn a_runtime_with_foreign_joiners_may_end() {
    in_child("hostile::a_runtime_with_foreign_joiners_may_end", &[], || {
        leno::run(|| {
            let inner = Runtime::new();
            let target = thread::Builder::new().spawn_on(&inner, thread::park).unwrap();
            let waiter = leno::spawn(move || target.join().unwrap_err());
            leno::yield_now();
            drop(inner);
            assert!(!waiter.is_finished());
            assert!(waiter.join().unwrap().is::<thread::Cancelled>());
        });
    })
    .assert_survived();
}

/// There are more green threads than the second run queue has room for.
#[cfg(feature = "debug")]
#[test]
fn a_recording_may_begin_with_a_thousand_runnable_threads() {
    in_child("hostile::a_recording_may_begin_with_a_thousand_runnable_threads", &[], || {
        leno::run(|| {
            let ended = Rc::new(Cell::new(0));
            let handles: Vec<_> = (0..1_000)
                .map(|_| {
                    let ended = ended.clone();
                    leno::spawn(move || {
                        leno::yield_now();
                        ended.set(ended.get() + 1);
                    })
                })
                .collect();
            leno::debug::record(leno::yield_now);
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            assert_eq!(ended.get(), 1_000);
        });
    })
    .assert_survived();
}

/// The runtime and its green threads are dropped when the OS thread ends.
#[test]
fn a_runtime_may_live_as_long_as_its_os_thread() {
    thread_local! {
        static RUNTIME: Runtime = Runtime::new();
    }
    struct Notes(std::sync::mpsc::Sender<()>);
    impl Drop for Notes {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        RUNTIME.with(|runtime| {
            let notes = Notes(sender);
            let parked = move || {
                let _notes = notes;
                thread::park();
            };
            drop(thread::Builder::new().spawn_on(runtime, parked).unwrap());
            assert!(runtime.run_until_stalled());
        });
    });
    thread.join().unwrap();
    assert_eq!(receiver.recv(), Ok(()), "the destructor has run");
}

/// Without a stack for a posted closure the scheduler drops it, while it looks for
/// work.
#[test]
fn a_closure_without_a_stack_may_switch_in_its_destructor() {
    struct Switches;
    impl Drop for Switches {
        fn drop(&mut self) {
            leno::yield_now();
        }
    }
    in_child("hostile::a_closure_without_a_stack_may_switch_in_its_destructor", &[], || {
        // No stack of this size can be mapped.
        Builder::new().stack_size(1 << 60).run(|| {
            let small = || thread::Builder::new().stack_size(64 * 1024);
            let busy: Vec<_> = (0..2)
                .map(|_| small().spawn(|| (0..200).for_each(|_| leno::yield_now())).unwrap())
                .collect();
            let handle = leno::Handle::current();
            let sender = std::thread::spawn(move || {
                let switches = Switches;
                drop(handle.spawn(move || drop(switches)));
            });
            busy.into_iter().for_each(|handle| handle.join().unwrap());
            let _ = caught(|| leno::sleep(Duration::from_millis(1)));
            sender.join().unwrap();
            leno::sleep(Duration::from_millis(1));
        });
    })
    .assert_survived();
}

/// A scope that waits while it holds a caught payload does not count as panicking, and
/// so does not hide green threads that panic.
#[test]
fn waiting_for_a_scope_is_not_panicking() {
    struct Sleeps(u64);
    impl Drop for Sleeps {
        fn drop(&mut self) {
            leno::sleep(Duration::from_secs(self.0));
        }
    }
    in_child("hostile::waiting_for_a_scope_is_not_panicking", &[], || {
        let ended = caught(|| {
            Builder::new().virtual_time().run(|| {
                let first = leno::spawn(|| {
                    let _sleeps = Sleeps(2);
                    std::panic::resume_unwind(Box::new("the first"));
                });
                let waits = leno::spawn(|| {
                    leno::scope(|scope| {
                        scope.spawn(|| leno::sleep(Duration::from_secs(9)));
                        thread::park();
                    });
                });
                leno::sleep(Duration::from_secs(1));
                // `waits` is unwound while `first` sleeps in its destructor.
                waits.cancel();
                assert!(first.join().is_err());
                let second = leno::spawn(|| {
                    thread::shield(leno::yield_now);
                    let _sleeps = Sleeps(1);
                    std::panic::resume_unwind(Box::new("the second"));
                });
                leno::yield_now();
                second.cancel();
                assert!(second.join().unwrap_err().is::<&str>());
                assert!(waits.join().is_err());
            });
        });
        assert!(ended.is_ok());
    })
    .assert_survived();
}
