//! Only a thread's own cancellation is absorbed, as in Trio: what it passes on of another
//! thread's is a panic.

use std::panic;

use leno::thread::{self, Cancelled};
use leno::time::{sleep, timeout};

use crate::support::{OnDrop, SECOND, caught, in_child, in_virtual_time, panic_text};

/// Passes on what its cancelled child has ended with.
fn passes_on() {
    let child = leno::spawn(thread::park);
    leno::yield_now();
    child.cancel();
    child.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
}

/// Passes on the private payload of another thread's unwinding.
fn passes_on_stolen() {
    let child = leno::spawn(|| panic::catch_unwind(thread::park).unwrap_err());
    leno::yield_now();
    child.cancel();
    panic::resume_unwind(child.join().unwrap());
}

/// Passes on the private payload of a deadline scope that has ended.
fn passes_on_elapsed() {
    let mut kept = None;
    let _ = timeout(SECOND, || {
        kept = panic::catch_unwind(|| sleep(2 * SECOND)).err();
    });
    panic::resume_unwind(kept.expect("the sleep is unwound"));
}

const WAYS: [fn(); 3] = [passes_on, passes_on_stolen, passes_on_elapsed];

#[test]
fn a_passed_on_cancellation_fails_a_scope() {
    for way in WAYS {
        let text = panic_text(|| in_virtual_time(|| leno::scope(|scope| drop(scope.spawn(way)))));
        assert_eq!(text, "a scoped green thread panicked");
        // Not if its failure is seen.
        in_virtual_time(|| {
            leno::scope(|scope| {
                assert!(scope.spawn(way).join().unwrap_err().is::<Cancelled>());
            });
        });
    }
}

#[test]
fn a_passed_on_cancellation_fails_a_group() {
    for way in WAYS {
        for by_body in [false, true] {
            let failed = in_virtual_time(|| {
                let cancelled = std::rc::Rc::new(std::cell::Cell::new(false));
                let group = caught(|| {
                    thread::task_group(|group| {
                        let _other = group.spawn(|| {
                            let _told = OnDrop(|| cancelled.set(true));
                            thread::park();
                            Ok(())
                        });
                        leno::yield_now();
                        if by_body {
                            way();
                        } else {
                            let _task = group.spawn(move || {
                                way();
                                Ok::<(), ()>(())
                            });
                        }
                        Ok("the group has succeeded")
                    })
                });
                (group.is_err(), cancelled.get())
            });
            assert_eq!(failed, (true, true));
        }
    }
}

#[test]
fn a_cancelled_thread_may_pass_on_the_cancellation_of_another() {
    in_virtual_time(|| {
        let child = leno::spawn(thread::park);
        leno::yield_now();
        child.cancel();
        leno::yield_now();
        let body = move || {
            thread::current().cancel();
            // No wait: the child has ended.
            child.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        };
        leno::scope(|scope| drop(scope.spawn(body)));
        // A group that is over has cancelled its tasks.
        let group = thread::task_group(|group| {
            let parks = || {
                thread::park();
                Ok::<(), &str>(())
            };
            let tasks = [(); 2].map(|()| group.spawn(parks));
            group.spawn(move || {
                let [first, second] = tasks.map(|task| task.join());
                second.or(first).unwrap_or_else(|payload| panic::resume_unwind(payload));
                Ok(())
            });
            leno::yield_now();
            Err::<(), _>("the body's error")
        });
        assert_eq!(group, Err("the body's error"));
    });
}

#[test]
fn a_scope_absorbs_no_payload_before_its_deadline() {
    // The numbers of scopes begin anew in each runtime.
    let stolen = in_virtual_time(|| {
        let mut stolen = None;
        let _ = timeout(SECOND, || {
            stolen = panic::catch_unwind(|| sleep(2 * SECOND)).err();
        });
        stolen.expect("the sleep is unwound")
    });
    in_virtual_time(|| {
        let result = caught(|| timeout(SECOND, || panic::resume_unwind(stolen)).is_err());
        assert!(result.is_err(), "it is a panic");
    });
}

#[test]
fn a_remote_handle_gets_a_passed_on_cancellation() {
    for way in WAYS {
        in_virtual_time(|| {
            let runs_on = leno::spawn(|| sleep(9 * SECOND));
            let handle = leno::Handle::current().spawn(way);
            let Ok(handle) = handle else { panic!("the runtime runs") };
            assert!(handle.join().unwrap_err().is::<Cancelled>());
            runs_on.join().unwrap();
        });
    }
}

#[test]
fn a_run_says_that_its_main_thread_passes_on_a_cancellation() {
    let name = "cancel::passed_on::a_run_says_that_its_main_thread_passes_on_a_cancellation";
    let child = in_child(name, &[], || {
        for way in WAYS {
            let payload = caught(|| in_virtual_time(way)).unwrap_err();
            assert!(payload.is::<Cancelled>());
        }
        // The main thread's own cancellation is no failure to tell of.
        let own = caught(|| {
            leno::run(|| {
                thread::current().cancel();
                thread::park();
            });
        });
        assert!(own.unwrap_err().is::<Cancelled>());
    });
    let line = "leno: the main green thread was not cancelled, and ends with the `Cancelled` of \
                another green thread";
    let told = child.assert_survived().stderr();
    assert_eq!(told.lines().filter(|&other| other == line).count(), WAYS.len(), "{told}");
}

#[cfg(feature = "weave")]
#[test]
fn an_exploration_finds_a_passed_on_cancellation() {
    use leno::weave::Explorer;

    for way in WAYS {
        let report = Explorer::new().explore(|| leno::scope(|scope| drop(scope.spawn(way))));
        let failure = report.failure().expect("a failure").to_string();
        let text = "the cancellation of another green thread, passed on";
        assert!(failure.contains(text), "{failure}");
    }
}
