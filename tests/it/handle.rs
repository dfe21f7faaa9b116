//! Handles: requests of other OS threads to a runtime, and the state after the runtime
//! or the handles are gone.

use std::cell::Cell;
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread as os;

use leno::thread::{self, Cancelled};
use leno::time::{Duration, timeout};
use leno::{Ended, Handle, RemoteJoinHandle, Runtime};

use crate::support::{caught, panic_text, text_of};

/// A sendable value that counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Counted, impl Fn() -> usize) {
    let drops = Arc::new(AtomicUsize::new(0));
    (Counted(drops.clone()), move || drops.load(Ordering::SeqCst))
}

#[test]
fn a_handle_can_be_sent_shared_and_cloned() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
    check::<Handle>();
    fn is_send<T: Send>() {}
    is_send::<RemoteJoinHandle<Cell<i32>>>();
}

#[test]
fn another_os_thread_spawns_and_joins() {
    let sum = leno::run(|| {
        let (handle, me) = (Handle::current(), thread::current().id());
        let other = os::spawn(move || {
            let here = os::current().id();
            let handles = [1, 2, 3].map(|n| {
                handle
                    .spawn(move || {
                        assert_ne!(os::current().id(), here);
                        leno::yield_now();
                        n * n
                    })
                    .unwrap()
            });
            let sum: i32 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
            handle.unpark(me);
            sum
        });
        thread::park();
        other.join().unwrap()
    });
    assert_eq!(sum, 14);
}

#[test]
fn an_unpark_from_another_os_thread_is_a_token() {
    leno::run(|| {
        let (handle, me) = (Handle::current(), thread::current().id());
        os::spawn(move || (0..3).for_each(|_| handle.unpark(me))).join().unwrap();
        // The request is read while another green thread waits.
        leno::sleep(Duration::from_nanos(1));
        thread::park();
        // Three unparks leave one token.
        assert!(timeout(Duration::from_millis(1), thread::park).is_err());
    });
}

#[test]
fn a_cancel_from_another_os_thread_unwinds() {
    leno::run(|| {
        let waiter = leno::spawn(thread::park);
        let (handle, waiter_id) = (Handle::current(), waiter.thread().id());
        os::spawn(move || {
            handle.cancel(waiter_id);
            handle.cancel(waiter_id);
        });
        assert!(waiter.join().unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn unpark_and_cancel_after_the_end_do_nothing() {
    leno::run(|| {
        let handle = Handle::current();
        let ended = leno::spawn(|| thread::current().id()).join().unwrap();
        handle.unpark(ended);
        handle.cancel(ended);
        os::spawn(move || {
            handle.unpark(ended);
            handle.cancel(ended);
        })
        .join()
        .unwrap();
        leno::sleep(Duration::from_nanos(1));
    });
}

#[test]
fn an_unpark_ignores_ids_of_other_runtimes() {
    let foreign = leno::run(|| thread::current().id());
    leno::run(|| {
        Handle::current().unpark(foreign);
        assert!(timeout(Duration::from_millis(1), thread::park).is_err());
    });
}

#[test]
fn inside_the_runtime_a_handle_acts_at_once() {
    leno::run(|| {
        let handle = Handle::current();
        let spawned = handle.spawn(|| 7).unwrap();
        let waiter = leno::spawn(thread::park);
        leno::yield_now();
        assert!(spawned.is_finished());
        handle.unpark(waiter.thread().id());
        leno::yield_now();
        assert!(waiter.is_finished());
        assert_eq!(spawned.join().unwrap(), 7);
    });
}

#[test]
fn a_join_inside_a_runtime_lets_others_run() {
    leno::run(|| {
        let gate = Rc::new(Cell::new(false));
        let opener = {
            let gate = gate.clone();
            leno::spawn(move || gate.set(true))
        };
        let remote = Handle::current().spawn(leno::yield_now).unwrap();
        remote.join().unwrap();
        assert!(gate.get());
        opener.join().unwrap();
    });
}

#[test]
fn a_panic_goes_to_the_join_handle() {
    leno::run(|| {
        let remote = Handle::current().spawn(|| panic!("over there")).unwrap();
        assert_eq!(text_of(remote.join().unwrap_err()), "over there");
    });
}

#[test]
fn a_remote_join_handle_reports_the_cancellation() {
    leno::run(|| {
        let (sender, receiver) = leno::channel::bounded(1);
        // The closure of `Handle::spawn` must be `Send`, so the id goes through mpsc.
        let handle = Handle::current();
        let (ids, id) = mpsc::channel();
        let remote = handle
            .spawn(move || {
                ids.send(thread::current().id()).unwrap();
                thread::park();
            })
            .unwrap();
        leno::yield_now();
        handle.cancel(id.recv().unwrap());
        sender.send(remote.join().unwrap_err().is::<Cancelled>()).unwrap();
        assert!(receiver.recv().unwrap());
    });
}

#[test]
fn an_untaken_result_is_dropped_once() {
    let (value, drops) = counted();
    leno::run(|| drop(Handle::current().spawn(move || value).unwrap()));
    assert_eq!(drops(), 1);
    let (value, drops) = counted();
    let remote = leno::run(|| Handle::current().spawn(move || value).unwrap());
    assert_eq!((drops(), remote.is_finished()), (0, true));
    drop(remote);
    assert_eq!(drops(), 1);
}

#[test]
fn the_result_outlives_the_runtime() {
    let remote = leno::run(|| Handle::current().spawn(|| "still here").unwrap());
    assert_eq!(os::spawn(move || remote.join().unwrap()).join().unwrap(), "still here");
}

#[test]
fn closures_sent_before_the_end_run() {
    let (remote, drops) = leno::run(|| {
        let handle = Handle::current();
        let (value, drops) = counted();
        // This spawn is a message, since the OS thread is not in the runtime.
        let remote = os::spawn(move || handle.spawn(move || drop(value)).unwrap()).join().unwrap();
        (remote, drops)
    });
    assert_eq!((remote.join().is_ok(), drops()), (true, 1));
}

#[test]
fn a_handle_outlives_its_runtime_and_gives_closures_back() {
    let handle = leno::run(Handle::current);
    assert!(handle.is_ended());
    let (value, drops) = counted();
    let Err(Ended(closure)) = handle.spawn(move || drop(value)) else {
        panic!("no runtime is left to run the closure");
    };
    assert_eq!(drops(), 0);
    closure();
    assert_eq!(drops(), 1);
    let id = leno::run(|| thread::current().id());
    handle.unpark(id);
    handle.cancel(id);
    drop(handle.clone());
    let text = handle.spawn(|| ()).unwrap_err().to_string();
    assert_eq!(text, "the runtime of this handle has ended; nothing was spawned");
}

#[test]
fn a_runtime_dropped_before_a_closure_runs_drops_it() {
    let (value, drops) = counted();
    let runtime = Runtime::new();
    let handle = runtime.handle();
    // The closure's destructor may use the handle, since the mailbox is not locked.
    let again = handle.clone();
    let remote = handle
        .spawn(move || {
            let _value = value;
            again.is_ended()
        })
        .unwrap();
    assert_eq!((drops(), remote.is_finished()), (0, false));
    drop(runtime);
    assert_eq!(drops(), 1);
    assert!(remote.join().unwrap_err().is::<Cancelled>());
}

#[test]
fn a_dropped_closure_may_use_the_handle() {
    struct AsksTheHandle(Handle, Arc<AtomicUsize>);
    impl Drop for AsksTheHandle {
        fn drop(&mut self) {
            self.0.spawn(|| ()).unwrap_err();
            self.1.fetch_add(usize::from(self.0.is_ended()), Ordering::SeqCst);
        }
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new();
    let asks = AsksTheHandle(runtime.handle(), seen.clone());
    drop(runtime.handle().spawn(move || drop(asks)).unwrap());
    drop(runtime);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[test]
fn a_deadlock_is_reported_after_the_last_handle_is_gone() {
    let text = panic_text(|| {
        leno::run(|| {
            let handle = Handle::current();
            let clone = handle.clone();
            let seen = Arc::new(AtomicUsize::new(0));
            let before = seen.clone();
            os::spawn(move || {
                drop(handle);
                os::sleep(Duration::from_millis(20));
                before.fetch_add(1, Ordering::SeqCst);
                drop(clone);
            });
            let waited = panic::catch_unwind(thread::park);
            // The deadlock is not reported before the last handle is about to go.
            assert_eq!(seen.load(Ordering::SeqCst), 1);
            panic::resume_unwind(waited.unwrap_err());
        });
    });
    assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
}

#[test]
fn a_report_names_the_line_that_spawned_from_outside() {
    let text = panic_text(|| {
        let runtime = Runtime::new();
        let handle = runtime.handle();
        os::spawn(move || drop(handle.spawn(thread::park).unwrap())).join().unwrap();
        drop(thread::Builder::new().spawn_on(&runtime, thread::park));
        runtime.run(thread::park);
    });
    let spawned = text.lines().filter(|line| line.contains("  spawned"));
    let lines: Vec<_> = spawned.filter_map(|line| line.split(file!()).nth(1)).collect();
    assert_eq!(lines.len(), 2, "{text}");
}

/// A message that its sender's last handle sends just before its drop still counts.
#[test]
fn the_last_handle_may_unpark_before_it_goes() {
    for _ in 0..300 {
        leno::run(|| {
            let (handle, me) = (Handle::current(), thread::current().id());
            let other = os::spawn(move || handle.unpark(me));
            thread::park();
            other.join().unwrap();
        });
    }
}

/// Rings, sleeps and drops of handles in every order that the operating system
/// produces.
#[test]
fn many_os_threads_use_one_handle() {
    const OS_THREADS: usize = 4;
    const EACH: usize = 300;
    leno::run(|| {
        let (handle, me) = (Handle::current(), thread::current().id());
        let run = Arc::new(AtomicUsize::new(0));
        let others = [(); OS_THREADS].map(|()| {
            let (handle, run) = (handle.clone(), run.clone());
            os::spawn(move || {
                for turn in 0..EACH {
                    let run = run.clone();
                    let job = move || run.fetch_add(1, Ordering::SeqCst);
                    let remote = handle.spawn(job).unwrap();
                    if turn % 3 == 0 || turn + 1 == EACH {
                        remote.join().unwrap();
                    }
                }
                handle.unpark(me);
            })
        });
        drop(handle);
        while run.load(Ordering::SeqCst) < OS_THREADS * EACH {
            thread::park();
        }
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_handle_needs_a_runtime() {
    let text = panic_text(Handle::current);
    assert_eq!(text, "leno::Handle::current needs a runtime: call it from inside leno::run");
}

#[test]
fn awaiting_a_remote_result_twice_panics() {
    leno::run(|| {
        let mut remote = Handle::current().spawn(|| 1).unwrap();
        assert_eq!(leno::block_on(&mut remote).unwrap(), 1);
        assert!(remote.is_finished());
        let text = text_of(caught(|| leno::block_on(&mut remote)).unwrap_err());
        assert_eq!(text, "a RemoteJoinHandle was polled after it had given its result");
    });
}
