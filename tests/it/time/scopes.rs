//! Deadline scopes: `timeout` alone, nested, around shields, and with caught panics.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::bounded;
use leno::coroutine::Coroutine;
use leno::thread;
use leno::time::{Duration, Elapsed, Instant, sleep, timeout, timeout_at};

use super::{AGES, NANOSECOND};
use crate::support::{Ledger, SECOND, hook_runs, in_virtual_time, panic_text, text_of};

#[test]
fn a_late_body_is_unwound_without_the_panic_hook() {
    let ledger = Ledger::default();
    let runs = hook_runs(|| {
        in_virtual_time(|| {
            let start = Instant::now();
            assert_eq!(timeout(2 * SECOND, || sleep(SECOND)), Ok(()));
            let late = timeout(SECOND, || {
                let _value = ledger.value();
                sleep(2 * SECOND);
            });
            assert_eq!((late, start.elapsed(), ledger.alive()), (Err(Elapsed), 2 * SECOND, 0));
            // Neither scope affects later waits.
            sleep(10 * SECOND);
            assert_eq!(start.elapsed(), 12 * SECOND);
        });
    });
    assert_eq!(runs, 0);
    ledger.check();
    assert_eq!(Elapsed.to_string(), "the deadline has elapsed");
}

#[test]
fn a_deadline_ends_every_kind_of_wait() {
    let waits: [fn(); 8] = [
        thread::park,
        || sleep(Duration::MAX),
        || thread::park_timeout(10 * SECOND),
        || _ = bounded(0).0.send(()),
        || _ = bounded::<()>(0).1.recv(),
        || {
            let (_sender, receiver) = bounded::<()>(0);
            leno::select! { recv(receiver) -> _ => () }
        },
        || drop(leno::spawn(|| thread::park_timeout(50 * SECOND)).join()),
        || {
            loop {
                leno::yield_now();
                sleep(SECOND / 10);
            }
        },
    ];
    for (number, wait) in waits.into_iter().enumerate() {
        in_virtual_time(|| {
            let start = Instant::now();
            let result = timeout(SECOND, wait);
            assert_eq!((result, start.elapsed()), (Err(Elapsed), SECOND), "{number}");
        });
    }
}

#[test]
fn a_body_that_never_waits_is_not_stopped() {
    leno::run(|| {
        let result = timeout(NANOSECOND, || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {}
            "late"
        });
        assert_eq!(result, Ok("late"));
        let result = timeout(NANOSECOND, || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {}
            // The deadline is checked only when a green thread waits.
            sleep(Duration::from_millis(1));
            "never"
        });
        assert_eq!(result, Err(Elapsed));
    });
}

#[test]
fn a_zero_or_past_deadline_fires_at_the_first_wait() {
    in_virtual_time(|| {
        let start = Instant::now();
        sleep(SECOND);
        let steps = Cell::new(0);
        let body = || {
            steps.set(steps.get() + 1);
            leno::yield_now();
            unreachable!("the deadline has passed")
        };
        assert_eq!(timeout(Duration::ZERO, body), Err::<(), _>(Elapsed));
        assert_eq!(timeout_at(start, body), Err::<(), _>(Elapsed));
        assert_eq!(timeout_at(Instant::now(), body), Err::<(), _>(Elapsed));
        assert_eq!((steps.get(), start.elapsed()), (3, SECOND));
        assert_eq!(timeout(Duration::ZERO, || 1), Ok(1));
    });
}

#[test]
fn a_deadline_beyond_the_clock_never_fires() {
    in_virtual_time(|| {
        for ages in AGES {
            assert_eq!(timeout(ages, || sleep(1_000 * SECOND)), Ok(()));
            assert_eq!(timeout(ages, || timeout(SECOND, thread::park)), Ok(Err(Elapsed)));
        }
    });
    let text = panic_text(|| in_virtual_time(|| timeout(Duration::MAX, thread::park)));
    assert!(text.contains("deadlock"), "{text}");
}

#[test]
fn the_earlier_of_two_nested_deadlines_fires() {
    // Seconds of the outer scope, of the inner scope and of the body.
    for (outer, inner, body, expected) in [
        (9, 5, 1, Ok(Ok(()))),
        (9, 5, 7, Ok(Err(Elapsed))),
        (9, 5, 20, Ok(Err(Elapsed))),
        (5, 9, 1, Ok(Ok(()))),
        (5, 9, 7, Err(Elapsed)),
        (5, 9, 20, Err(Elapsed)),
        // With equal deadlines the outer scope ends.
        (5, 5, 7, Err(Elapsed)),
        (0, 5, 7, Err(Elapsed)),
        (5, 0, 7, Ok(Err(Elapsed))),
        (0, 0, 7, Err(Elapsed)),
    ] {
        in_virtual_time(|| {
            let start = Instant::now();
            let result =
                timeout(outer * SECOND, || timeout(inner * SECOND, || sleep(body * SECOND)));
            assert_eq!(result, expected, "{outer} {inner} {body}");
            assert_eq!(start.elapsed(), outer.min(inner).min(body) * SECOND);
        });
    }
}

#[test]
fn an_outer_deadline_does_not_end_the_inner_scope() {
    in_virtual_time(|| {
        let log = RefCell::new(Vec::new());
        let result = timeout(2 * SECOND, || {
            for round in 0.. {
                let inner = timeout(3 * SECOND / 2, || sleep(10 * SECOND));
                log.borrow_mut().push((round, inner));
            }
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(log.into_inner(), [(0, Err(Elapsed))]);
        // The outer deadline passes while the inner scope's destructors run.
        let seen = Cell::new(false);
        struct Slow;
        impl Drop for Slow {
            fn drop(&mut self) {
                sleep(5 * SECOND);
            }
        }
        let result = timeout(2 * SECOND, || {
            let inner = timeout(SECOND, || {
                let _slow = Slow;
                thread::park();
            });
            seen.set(inner == Err(Elapsed));
            leno::yield_now();
            unreachable!("the outer deadline has passed")
        });
        assert_eq!((result, seen.get()), (Err::<(), _>(Elapsed), true));
    });
}

#[test]
fn the_elapsed_one_of_ten_nested_scopes_ends() {
    fn nest(level: u32, elapsing: u32, log: &RefCell<Vec<u32>>) {
        if level == 10 {
            return thread::park();
        }
        let seconds = if level == elapsing { SECOND } else { (100 - level) * SECOND };
        if timeout(seconds, || nest(level + 1, elapsing, log)).is_err() {
            log.borrow_mut().push(level);
        }
    }
    for elapsing in 0..10 {
        in_virtual_time(|| {
            let (log, start) = (RefCell::new(Vec::new()), Instant::now());
            nest(0, elapsing, &log);
            assert_eq!((log.into_inner(), start.elapsed()), (vec![elapsing], SECOND));
        });
    }
}

#[test]
fn a_deadline_does_not_undo_a_completed_receive() {
    // On a busy machine the deadline can come before the value. Then a longer one is
    // tried.
    let in_time = |length: Duration| {
        leno::run(|| {
            let (sender, receiver) = bounded(0);
            let deadline = Instant::now() + length;
            let sender = leno::spawn(move || {
                let sent = sender.send("value").is_ok() && Instant::now() < deadline;
                // The deadline passes before the receiver runs.
                while Instant::now() <= deadline {}
                leno::yield_now();
                sent
            });
            let received = timeout_at(deadline, || receiver.recv());
            drop(receiver);
            let sent = sender.join().unwrap();
            assert!(!sent || received == Ok(Ok("value")), "{received:?}");
            sent
        })
    };
    assert!((0..12).any(|doubled| in_time(Duration::from_millis(1 << doubled))));
    // At the same instant, the timer that was started first fires first.
    in_virtual_time(|| {
        let (sender, receiver) = bounded(1);
        leno::spawn(move || {
            sleep(SECOND);
            sender.send("value")
        });
        leno::yield_now();
        assert_eq!(timeout(SECOND, || receiver.recv()), Err(Elapsed));
        assert_eq!(receiver.recv(), Ok("value"), "the value is not lost");
    });
}

#[test]
fn a_shield_puts_off_only_outer_deadlines() {
    in_virtual_time(|| {
        let start = Instant::now();
        let result = timeout(SECOND, || {
            let inside = thread::shield(|| {
                sleep(2 * SECOND);
                timeout(SECOND, thread::park)
            });
            assert_eq!((inside, start.elapsed()), (Err(Elapsed), 3 * SECOND));
            leno::yield_now();
            unreachable!("the shield has ended")
        });
        assert_eq!(result, Err::<(), _>(Elapsed));
        // A body that returns before its next wait counts as in time.
        assert_eq!(timeout(SECOND, || thread::shield(|| sleep(2 * SECOND))), Ok(()));
        // A shield in a deadline scope in a shield.
        let result = thread::shield(|| {
            timeout(SECOND, || {
                thread::shield(|| assert_eq!(timeout(2 * SECOND, thread::park), Err(Elapsed)));
                thread::park();
            })
        });
        assert_eq!(result, Err(Elapsed));
    });
}

#[test]
fn a_caught_deadline_fires_again_at_the_next_wait() {
    in_virtual_time(|| {
        let caught = Cell::new(0);
        let result = timeout(SECOND, || {
            for _ in 0..5 {
                let result = panic::catch_unwind(AssertUnwindSafe(thread::park));
                caught.set(caught.get() + u32::from(result.is_err()));
            }
            "the loop has ended"
        });
        assert_eq!((result, caught.get()), (Ok("the loop has ended"), 5));
        // The elapsed deadline does not affect later waits.
        sleep(SECOND);
        let rethrown = timeout(SECOND, || {
            let payload = panic::catch_unwind(thread::park).unwrap_err();
            panic::resume_unwind(payload);
        });
        assert_eq!(rethrown, Err(Elapsed));
    });
}

#[test]
fn a_kept_deadline_payload_is_harmless() {
    in_virtual_time(|| {
        let kept = Rc::new(RefCell::new(None));
        let keep = kept.clone();
        let result = timeout(SECOND, move || {
            *keep.borrow_mut() = panic::catch_unwind(thread::park).err();
        });
        assert_eq!(result, Ok(()));
        assert_eq!(timeout(SECOND, || sleep(SECOND / 2)), Ok(()));
        drop(kept.take());
        assert_eq!(timeout(SECOND, thread::park), Err(Elapsed));
        // Resumed outside its scope, the payload is a panic like any other, and `join`
        // returns it.
        let stray = timeout(SECOND, || panic::catch_unwind(thread::park).unwrap_err()).unwrap();
        let result =
            timeout(5 * SECOND, || leno::spawn(move || panic::resume_unwind(stray)).join());
        assert!(result.unwrap().is_err());
    });
}

#[test]
fn a_panic_in_a_deadline_scope_is_a_panic() {
    in_virtual_time(|| {
        let text = panic_text(|| timeout(SECOND, || panic!("of its own")));
        assert_eq!(text, "of its own");
        sleep(5 * SECOND);
    });
}

#[test]
fn a_cancellation_passes_through_a_deadline_scope() {
    in_virtual_time(|| {
        let handle = leno::spawn(|| timeout(10 * SECOND, thread::park));
        sleep(SECOND);
        handle.cancel();
        assert!(handle.join().unwrap_err().is::<thread::Cancelled>());
        // The cancellation also wins over a deadline at the same instant.
        let handle = leno::spawn(|| timeout(SECOND, thread::park));
        leno::yield_now();
        let other = leno::spawn(move || {
            sleep(SECOND);
            handle.cancel();
            handle.join().map(|result| result.is_err())
        });
        let result = other.join().unwrap();
        assert!(result.is_err() || result.is_ok_and(|elapsed| elapsed));
    });
}

#[test]
fn a_scope_inside_waits_for_its_green_threads() {
    in_virtual_time(|| {
        let (start, done) = (Instant::now(), Cell::new(false));
        let result = timeout(SECOND, || {
            leno::scope(|scope| {
                scope.spawn(|| {
                    sleep(3 * SECOND);
                    done.set(true);
                });
            });
        });
        assert_eq!((result, start.elapsed(), done.get()), (Err(Elapsed), 3 * SECOND, true));
    });
}

#[test]
fn a_deadline_does_not_apply_to_spawned_threads() {
    in_virtual_time(|| {
        let handle = timeout(SECOND, || {
            let handle = leno::spawn(|| {
                sleep(5 * SECOND);
                "outside the deadline scope"
            });
            thread::park_timeout(SECOND / 2);
            handle
        });
        assert_eq!(handle.unwrap().join().unwrap(), "outside the deadline scope");
    });
}

#[test]
fn the_main_green_thread_may_time_out() {
    in_virtual_time(|| assert_eq!(timeout(SECOND, thread::park), Err(Elapsed)));
    let runtime = leno::Runtime::new();
    for _ in 0..3 {
        let result = runtime.run(|| timeout(Duration::from_micros(1), thread::park));
        assert_eq!(result, Err(Elapsed));
    }
}

#[test]
fn a_deadline_scope_may_outlive_its_green_thread() {
    in_virtual_time(|| {
        let coroutine = Rc::new(Coroutine::<(), (), Result<(), Elapsed>>::new(|yielder, ()| {
            timeout(SECOND, || yielder.suspend(()))
        }));
        let carried = coroutine.clone();
        leno::spawn(move || _ = carried.resume(())).join().unwrap();
        // The green thread has ended, and then the deadline passes.
        sleep(2 * SECOND);
        assert_eq!(coroutine.resume(()).as_return(), Some(Ok(())));
        sleep(2 * SECOND);
    });
}

#[test]
fn a_panicking_green_thread_is_not_unwound_by_a_deadline() {
    struct Waits(Rc<Cell<bool>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            sleep(5 * SECOND);
            self.0.set(true);
        }
    }
    in_virtual_time(|| {
        let done = Rc::new(Cell::new(false));
        let inner = done.clone();
        let handle = leno::spawn(move || {
            timeout(SECOND, || {
                let _waits = Waits(inner);
                panic::resume_unwind(Box::new("the panic wins"));
            })
        });
        let payload = handle.join().map(|result| result.is_ok()).unwrap_err();
        assert_eq!((text_of(payload).as_str(), done.get()), ("the panic wins", true));
    });
}

/// The destructor has a deadline scope of its own.
#[test]
fn deadlines_work_in_destructors_during_unwinding() {
    struct CleansUp(Rc<Cell<u64>>);
    impl Drop for CleansUp {
        fn drop(&mut self) {
            let start = Instant::now();
            let (_sender, receiver) = bounded::<()>(0);
            let scoped = timeout(SECOND, || receiver.recv_timeout(3 * SECOND));
            assert!(scoped.is_ok_and(|received| received.is_err()));
            self.0.set(start.elapsed().as_secs());
        }
    }
    in_virtual_time(|| {
        let waited = Rc::new(Cell::new(0));
        let cleans_up = CleansUp(waited.clone());
        let handle = leno::spawn(move || {
            let _cleans_up = cleans_up;
            thread::park();
        });
        leno::yield_now();
        handle.cancel();
        assert!(handle.join().is_err());
        assert_eq!(waited.get(), 3);
    });
}
