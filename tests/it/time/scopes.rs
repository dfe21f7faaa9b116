//! Deadline scopes: `timeout`, nested, shielded, caught.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::bounded;
use leno::coroutine::Coroutine;
use leno::thread;
use leno::time::{Duration, Elapsed, Instant, sleep, timeout, timeout_at};

use super::{AGES, NANOSECOND, SECOND, story};
use crate::support::{Ledger, hook_runs, panic_text, text_of};

#[test]
fn what_is_in_time_is_ok_and_what_is_late_is_unwound() {
    let ledger = Ledger::default();
    let runs = hook_runs(|| {
        story(|| {
            let start = Instant::now();
            assert_eq!(timeout(2 * SECOND, || sleep(SECOND)), Ok(()));
            let late = timeout(SECOND, || {
                let _value = ledger.value();
                sleep(2 * SECOND);
            });
            assert_eq!((late, start.elapsed(), ledger.alive()), (Err(Elapsed), 2 * SECOND, 0));
            // Nothing is left of either.
            sleep(10 * SECOND);
            assert_eq!(start.elapsed(), 12 * SECOND);
        });
    });
    assert_eq!(runs, 0);
    ledger.check();
    assert_eq!(Elapsed.to_string(), "the deadline has elapsed");
}

#[test]
fn each_kind_of_wait_is_ended() {
    let waits: [fn(); 8] = [
        thread::park,
        || sleep(Duration::MAX),
        || thread::park_timeout(10 * SECOND),
        || {
            let (sender, _receiver) = bounded(0);
            let _ = sender.send(());
        },
        || {
            let (_sender, receiver) = bounded::<()>(0);
            let _ = receiver.recv();
        },
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
        story(|| {
            let start = Instant::now();
            let result = timeout(SECOND, wait);
            assert_eq!((result, start.elapsed()), (Err(Elapsed), SECOND), "{number}");
        });
    }
}

#[test]
fn one_that_never_waits_is_not_stopped() {
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
            // The clock is looked at when somebody waits.
            sleep(Duration::from_millis(1));
            "never"
        });
        assert_eq!(result, Err(Elapsed));
    });
}

#[test]
fn zero_and_the_past_end_at_the_first_wait() {
    story(|| {
        let start = Instant::now();
        sleep(SECOND);
        let steps = Cell::new(0);
        let body = || {
            steps.set(steps.get() + 1);
            leno::yield_now();
            unreachable!("it is over")
        };
        assert_eq!(timeout(Duration::ZERO, body), Err::<(), _>(Elapsed));
        assert_eq!(timeout_at(start, body), Err::<(), _>(Elapsed));
        assert_eq!(timeout_at(Instant::now(), body), Err::<(), _>(Elapsed));
        assert_eq!((steps.get(), start.elapsed()), (3, SECOND));
        assert_eq!(timeout(Duration::ZERO, || 1), Ok(1));
    });
}

#[test]
fn a_deadline_beyond_the_end_of_the_clock_is_none() {
    story(|| {
        for ages in AGES {
            assert_eq!(timeout(ages, || sleep(1_000 * SECOND)), Ok(()));
            assert_eq!(timeout(ages, || timeout(SECOND, thread::park)), Ok(Err(Elapsed)));
        }
    });
    let text = panic_text(|| story(|| timeout(Duration::MAX, thread::park)));
    assert!(text.contains("deadlock"), "{text}");
}

#[test]
fn two_nest_in_every_order() {
    // Who is longer, and how long the body takes.
    for (outer, inner, body, expected) in [
        (9, 5, 1, Ok(Ok(()))),
        (9, 5, 7, Ok(Err(Elapsed))),
        (9, 5, 20, Ok(Err(Elapsed))),
        (5, 9, 1, Ok(Ok(()))),
        (5, 9, 7, Err(Elapsed)),
        (5, 9, 20, Err(Elapsed)),
        // At the same moment the outer one ends.
        (5, 5, 7, Err(Elapsed)),
        (0, 5, 7, Err(Elapsed)),
        (5, 0, 7, Ok(Err(Elapsed))),
        (0, 0, 7, Err(Elapsed)),
    ] {
        story(|| {
            let start = Instant::now();
            let result =
                timeout(outer * SECOND, || timeout(inner * SECOND, || sleep(body * SECOND)));
            assert_eq!(result, expected, "{outer} {inner} {body}");
            assert_eq!(start.elapsed(), outer.min(inner).min(body) * SECOND);
        });
    }
}

#[test]
fn an_outer_deadline_is_never_taken_for_an_inner_one() {
    story(|| {
        let log = RefCell::new(Vec::new());
        let result = timeout(2 * SECOND, || {
            for round in 0.. {
                let inner = timeout(3 * SECOND / 2, || sleep(10 * SECOND));
                log.borrow_mut().push((round, inner));
            }
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(log.into_inner(), [(0, Err(Elapsed))]);
        // While the inner one's destructors run, the outer one elapses.
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
            unreachable!("the outer one has elapsed")
        });
        assert_eq!((result, seen.get()), (Err::<(), _>(Elapsed), true));
    });
}

#[test]
fn ten_deep_the_outermost_that_has_elapsed_ends() {
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
        story(|| {
            let (log, start) = (RefCell::new(Vec::new()), Instant::now());
            nest(0, elapsing, &log);
            assert_eq!((log.into_inner(), start.elapsed()), (vec![elapsing], SECOND));
        });
    }
}

#[test]
fn a_wait_that_was_ended_by_a_value_is_not_undone() {
    // On a busy machine the deadline can come before the value does: then once more.
    let in_time = |length: Duration| {
        leno::run(|| {
            let (sender, receiver) = bounded(0);
            let deadline = Instant::now() + length;
            let sender = leno::spawn(move || {
                let sent = sender.send("value").is_ok() && Instant::now() < deadline;
                // The deadline comes before the receiver runs.
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
    // Both at one moment: whose timer was started first.
    story(|| {
        let (sender, receiver) = bounded(1);
        leno::spawn(move || {
            sleep(SECOND);
            sender.send("value")
        });
        leno::yield_now();
        assert_eq!(timeout(SECOND, || receiver.recv()), Err(Elapsed));
        assert_eq!(receiver.recv(), Ok("value"), "not lost");
    });
}

#[test]
fn a_shield_holds_off_the_deadlines_around_it_and_not_those_inside() {
    story(|| {
        let start = Instant::now();
        let result = timeout(SECOND, || {
            let inside = thread::shield(|| {
                sleep(2 * SECOND);
                timeout(SECOND, thread::park)
            });
            assert_eq!((inside, start.elapsed()), (Err(Elapsed), 3 * SECOND));
            leno::yield_now();
            unreachable!("the shield is over")
        });
        assert_eq!(result, Err::<(), _>(Elapsed));
        // One that returns before it waits again is in time for all that is known.
        assert_eq!(timeout(SECOND, || thread::shield(|| sleep(2 * SECOND))), Ok(()));
        // A shield in a scope in a shield.
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
fn code_that_catches_panics_is_unwound_again() {
    story(|| {
        let caught = Cell::new(0);
        let result = timeout(SECOND, || {
            for _ in 0..5 {
                let result = panic::catch_unwind(AssertUnwindSafe(thread::park));
                caught.set(caught.get() + u32::from(result.is_err()));
            }
            "it ends by itself"
        });
        assert_eq!((result, caught.get()), (Ok("it ends by itself"), 5));
        // Nothing of it is left.
        sleep(SECOND);
        let rethrown = timeout(SECOND, || {
            let payload = panic::catch_unwind(thread::park).unwrap_err();
            panic::resume_unwind(payload);
        });
        assert_eq!(rethrown, Err(Elapsed));
    });
}

#[test]
fn a_caught_deadline_kept_for_later_harms_nobody() {
    story(|| {
        let kept = Rc::new(RefCell::new(None));
        let keep = kept.clone();
        let result = timeout(SECOND, move || {
            *keep.borrow_mut() = panic::catch_unwind(thread::park).err();
        });
        assert_eq!(result, Ok(()));
        assert_eq!(timeout(SECOND, || sleep(SECOND / 2)), Ok(()));
        drop(kept.take());
        assert_eq!(timeout(SECOND, thread::park), Err(Elapsed));
        // Thrown where it does not belong, it is a panic like any other: whoever
        // joins learns that something was cancelled.
        let stray = timeout(SECOND, || panic::catch_unwind(thread::park).unwrap_err()).unwrap();
        let result =
            timeout(5 * SECOND, || leno::spawn(move || panic::resume_unwind(stray)).join());
        assert!(result.unwrap().is_err());
    });
}

#[test]
fn a_panic_in_a_deadline_scope_is_a_panic() {
    story(|| {
        let text = panic_text(|| timeout(SECOND, || panic!("of its own")));
        assert_eq!(text, "of its own");
        sleep(5 * SECOND);
    });
}

#[test]
fn a_cancellation_goes_through_a_deadline_scope() {
    story(|| {
        let handle = leno::spawn(|| timeout(10 * SECOND, thread::park));
        sleep(SECOND);
        handle.cancel();
        assert!(handle.join().unwrap_err().is::<thread::Cancelled>());
        // And wins over a deadline at the same moment.
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
fn a_scope_inside_waits_for_what_borrows_from_it() {
    story(|| {
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
fn each_green_thread_has_deadlines_of_its_own() {
    story(|| {
        let handle = timeout(SECOND, || {
            let handle = leno::spawn(|| {
                sleep(5 * SECOND);
                "not meant"
            });
            thread::park_timeout(SECOND / 2);
            handle
        });
        assert_eq!(handle.unwrap().join().unwrap(), "not meant");
    });
}

#[test]
fn the_main_green_thread_may_time_out_and_run_goes_on() {
    story(|| assert_eq!(timeout(SECOND, thread::park), Err(Elapsed)));
    let runtime = leno::Runtime::new();
    for _ in 0..3 {
        let result = runtime.run(|| timeout(Duration::from_micros(1), thread::park));
        assert_eq!(result, Err(Elapsed));
    }
}

#[test]
fn a_coroutine_that_carries_a_deadline_scope_away_leaves_nothing_that_hurts() {
    story(|| {
        let coroutine = Rc::new(Coroutine::<(), (), Result<(), Elapsed>>::new(|yielder, ()| {
            timeout(SECOND, || yielder.suspend(()))
        }));
        let carried = coroutine.clone();
        leno::spawn(move || {
            carried.resume(());
        })
        .join()
        .unwrap();
        // Its green thread has ended, and the deadline passes.
        sleep(2 * SECOND);
        assert_eq!(coroutine.resume(()).into_return(), Ok(Ok(())));
        sleep(2 * SECOND);
    });
}

trait IntoReturn<R> {
    fn into_return(self) -> Result<R, &'static str>;
}

impl<Y, R> IntoReturn<R> for leno::coroutine::Resumed<Y, R> {
    fn into_return(self) -> Result<R, &'static str> {
        match self {
            leno::coroutine::Resumed::Return(value) => Ok(value),
            leno::coroutine::Resumed::Yield(_) => Err("it has suspended"),
        }
    }
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
    story(|| {
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

/// As the one above, in a scope of the destructor's own.
#[test]
fn a_destructor_that_the_unwinding_runs_needs_waits_with_deadlines_of_their_own() {
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
    story(|| {
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
