//! What safe code can do at the worst moment: use the runtime where nobody may
//! switch, give up a stack that is still in use, wait across runtimes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leno::coroutine::{Coroutine, Yielder};
use leno::thread::{self, JoinHandle};
use leno::{Builder, Policy, Runtime};

use super::support::{caught, in_child, panic_text};

/// Runs three green threads that yield, with a policy that does this when it is
/// asked the second time.
fn with_policy_that(mut does: impl FnMut() + 'static) {
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
fn a_policy_that_switches_panics_instead() {
    in_child("hostile::a_policy_that_switches_panics_instead", &[], || {
        let uses: [fn(); 4] = [
            leno::yield_now,
            thread::park,
            || leno::sleep(Duration::from_millis(1)),
            || drop(leno::spawn(|| {})),
        ];
        for does in uses {
            let text = panic_text(|| with_policy_that(does));
            assert!(text.contains("needs a runtime"), "{text}");
        }
    })
    .assert_survived();
}

/// A policy is asked on the stack of whoever leaves. That stays there until
/// somebody else's is entered, whoever gives it up.
#[test]
fn a_policy_may_give_up_the_stack_that_it_runs_on() {
    fn give_up(how: fn(JoinHandle<u64>)) {
        let handles: Rc<RefCell<Vec<JoinHandle<u64>>>> = Rc::default();
        let given_up = Rc::new(Cell::new(0));
        let (mine, count) = (handles.clone(), given_up.clone());
        let mut others: Vec<Coroutine<(), (), ()>> = Vec::new();
        let policy = Policy::choose(move |_| {
            let ended = mine.borrow().iter().position(JoinHandle::is_finished);
            if let Some(ended) = ended {
                let handle = mine.borrow_mut().remove(ended);
                how(handle);
                // This gets the stack that was given back last, and writes on it.
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
        assert!(given_up.get() >= 6, "{}", given_up.get());
    }
    fn scribble(yielder: &Yielder<(), ()>, (): ()) {
        let mut bytes = [0xa5u8; 4096];
        std::hint::black_box(&mut bytes);
        yielder.suspend(());
        std::hint::black_box(&mut bytes);
    }
    in_child("hostile::a_policy_may_give_up_the_stack_that_it_runs_on", &[], || {
        give_up(drop);
        give_up(|handle| assert!(handle.join().unwrap() < 8));
    })
    .assert_survived();
}

#[test]
fn a_policy_may_run_a_runtime_of_its_own() {
    let sum = Rc::new(Cell::new(0));
    let inner = sum.clone();
    with_policy_that(move || {
        let handle = || leno::spawn(|| 20).join().unwrap() + leno::spawn(|| 22).join().unwrap();
        inner.set(leno::run(handle));
    });
    assert_eq!(sum.get(), 42);
}

/// Each goes on in its own runtime, and not in that of the one it waited for.
#[test]
fn one_can_join_a_green_thread_of_another_runtime() {
    in_child("hostile::one_can_join_a_green_thread_of_another_runtime", &[], || {
        let (one, other) = (Runtime::new(), Runtime::new());
        let target = thread::Builder::new().spawn_on(&other, || 42).unwrap();
        let ended = Rc::new(Cell::new(None));
        let result = ended.clone();
        let waits = move || result.set(Some((target.join().unwrap(), thread::current().id())));
        let waiter = thread::Builder::new().spawn_on(&one, waits).unwrap();
        let id = waiter.thread().id();
        assert!(one.run_until_stalled(), "it waits");
        assert!(!other.run_until_stalled());
        assert_eq!(ended.get(), None, "its runtime has not run");
        assert!(!one.run_until_stalled());
        assert_eq!(ended.get(), Some((42, id)));
    })
    .assert_survived();
}

/// A runtime that ends inside another one wakes those who wait for its green
/// threads, and leaves them where they are.
#[test]
fn a_runtime_may_end_inside_another_while_somebody_joins_there() {
    in_child("hostile::a_runtime_may_end_inside_another_while_somebody_joins_there", &[], || {
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

/// More green threads than the second run queue had room for.
#[cfg(feature = "debug")]
#[test]
fn a_recording_can_begin_when_many_can_run() {
    in_child("hostile::a_recording_can_begin_when_many_can_run", &[], || {
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

/// It is dropped when the OS thread ends, and so are its green threads.
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
    assert_eq!(receiver.recv(), Ok(()), "its destructor has run");
}

/// What was to be spawned, and cannot be for want of a stack, is dropped by a
/// runtime that is looking for something to do.
#[test]
fn what_cannot_be_spawned_may_switch_when_it_is_dropped() {
    struct Switches;
    impl Drop for Switches {
        fn drop(&mut self) {
            leno::yield_now();
        }
    }
    in_child("hostile::what_cannot_be_spawned_may_switch_when_it_is_dropped", &[], || {
        // There are no stacks of this size.
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

/// A scope that waits with a payload that it has caught is not one that panics: it
/// does not hide those that do.
#[test]
fn whoever_waits_for_its_scope_is_not_panicking() {
    struct Sleeps(u64);
    impl Drop for Sleeps {
        fn drop(&mut self) {
            leno::sleep(Duration::from_secs(self.0));
        }
    }
    in_child("hostile::whoever_waits_for_its_scope_is_not_panicking", &[], || {
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
                // It is unwound while the first one sleeps in its destructor.
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
