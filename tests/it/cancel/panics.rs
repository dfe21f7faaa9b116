//! Several green threads that panic at the same time and wait in destructors meanwhile.
//! std counts panics per OS thread, but leno must tell them apart.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::coroutine::Coroutine;
use leno::sync::Mutex;
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, sleep};

use crate::support::{SECOND, assert_cancelled, caught, in_child, in_virtual_time, text_of};

/// A value whose destructor sleeps this many times.
struct Waits(u64);

impl Drop for Waits {
    fn drop(&mut self) {
        for _ in 0..self.0 {
            sleep(SECOND);
        }
    }
}

fn panics_and_waits(times: u64) -> JoinHandle<()> {
    leno::spawn(move || {
        let _waits = Waits(times);
        panic::resume_unwind(Box::new(format!("panic {times}")));
    })
}

fn parks_and_waits(times: u64) -> JoinHandle<()> {
    leno::spawn(move || {
        let _waits = Waits(times);
        thread::park();
    })
}

fn assert_panicked(handle: JoinHandle<()>, times: u64) {
    assert_eq!(text_of(handle.join().unwrap_err()), format!("panic {times}"));
}

#[test]
fn cancelling_panicking_threads_keeps_their_panics() {
    in_child("cancel::panics::cancelling_panicking_threads_keeps_their_panics", &[], || {
        in_virtual_time(|| {
            let handles = [3, 1, 4, 2].map(panics_and_waits);
            leno::yield_now();
            handles.iter().for_each(JoinHandle::cancel);
            sleep(SECOND / 2);
            handles.iter().for_each(JoinHandle::cancel);
            for (handle, times) in handles.into_iter().zip([3, 1, 4, 2]) {
                assert_panicked(handle, times);
            }
        });
    })
    .assert_survived();
}

#[test]
fn panicking_and_cancelled_threads_are_told_apart() {
    in_child("cancel::panics::panicking_and_cancelled_threads_are_told_apart", &[], || {
        in_virtual_time(|| {
            let unwound = [5, 1].map(parks_and_waits);
            leno::yield_now();
            unwound.iter().for_each(JoinHandle::cancel);
            leno::yield_now();
            // The two wait in their destructors while `panics` panics.
            let panics = panics_and_waits(3);
            leno::yield_now();
            panics.cancel();
            // `other` neither panics nor waits in a destructor, and is cancelled as
            // usual.
            let other = parks_and_waits(0);
            sleep(SECOND / 2);
            assert!(std::thread::panicking() && !thread::panicking());
            other.cancel();
            assert_cancelled(other);
            assert_panicked(panics, 3);
            unwound.into_iter().for_each(assert_cancelled);
        });
    })
    .assert_survived();
}

#[test]
fn tasks_that_panic_together_fail_the_group_once() {
    in_child("cancel::panics::tasks_that_panic_together_fail_the_group_once", &[], || {
        in_virtual_time(|| {
            let result = caught(|| {
                thread::task_group(|group| {
                    for times in 1..4 {
                        group.spawn(move || -> Result<(), ()> {
                            let _waits = Waits(times);
                            panic::resume_unwind(Box::new(format!("task {times}")));
                        });
                    }
                    Ok(())
                })
            });
            assert_eq!(text_of(result.unwrap_err()), "task 1");
        });
    })
    .assert_survived();
}

#[test]
fn each_panic_poisons_only_its_own_locks() {
    in_virtual_time(|| {
        let locks: [Rc<Mutex<()>>; 3] = Default::default();
        let [early, late, fine] = locks.clone();
        let one = leno::spawn(move || {
            let _guard = early.lock().unwrap();
            let _waits = Waits(1);
            panic::resume_unwind(Box::new(()));
        });
        leno::yield_now();
        let other = leno::spawn(move || {
            let _guard = late.lock().unwrap();
            panic::resume_unwind(Box::new(()));
        });
        let peaceful = leno::spawn(move || drop(fine.lock().unwrap()));
        sleep(SECOND / 2);
        assert!(!one.is_finished() && other.is_finished() && peaceful.is_finished());
        assert_eq!(locks.each_ref().map(|lock| lock.is_poisoned()), [false, true, false]);
        assert!(one.join().is_err());
        assert_eq!(locks.each_ref().map(|lock| lock.is_poisoned()), [true, true, false]);
    });
}

#[test]
fn a_coroutine_may_panic_while_another_thread_panics() {
    let name = "cancel::panics::a_coroutine_may_panic_while_another_thread_panics";
    in_child(name, &[], || {
        in_virtual_time(|| {
            let other = panics_and_waits(1);
            leno::yield_now();
            let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
                // The coroutine catches the unwinding that closes it, and then panics.
                let suspended = || yielder.suspend(());
                let _ = panic::catch_unwind(AssertUnwindSafe(suspended));
                panic::resume_unwind(Box::new("the coroutine's".to_owned()));
            });
            let _ = coroutine.resume(());
            // `support::caught` sets a panic hook, which is forbidden during a panic.
            let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(coroutine)));
            assert_eq!(text_of(dropped.unwrap_err()), "the coroutine's");
            assert_panicked(other, 1);
        });
    })
    .assert_survived();
}

/// std's count of panics belongs to the OS thread, on which there may be two runtimes.
#[test]
fn a_panic_in_one_runtime_does_not_show_in_another() {
    let waiting = leno::Runtime::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    let inner = log.clone();
    let panics = thread::Builder::new().spawn_on(&waiting, move || {
        struct Parks(Rc<RefCell<Vec<bool>>>);
        impl Drop for Parks {
            fn drop(&mut self) {
                thread::park();
                self.0.borrow_mut().push(thread::panicking());
            }
        }
        let _parks = Parks(inner);
        panic::resume_unwind(Box::new("waits".to_owned()));
    });
    let panics = panics.unwrap();
    waiting.run_until_stalled();
    assert!(std::thread::panicking() && !thread::panicking());
    leno::Builder::new().virtual_time().run(|| {
        let mutex = Rc::new(Mutex::new(()));
        drop(mutex.lock());
        assert!(!thread::panicking() && !mutex.is_poisoned());
        let parked = leno::spawn(thread::park);
        sleep(Duration::from_secs(1));
        parked.cancel();
        assert_cancelled(parked);
    });
    panics.thread().unpark();
    waiting.run_until_stalled();
    assert_eq!(text_of(panics.join().unwrap_err()), "waits");
    assert_eq!(*log.borrow(), [true]);
    assert!(!std::thread::panicking());
}
