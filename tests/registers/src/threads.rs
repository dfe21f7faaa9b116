//! The registers across green-thread switches, through the public interface.

use std::cell::RefCell;
use std::rc::Rc;

use leno::coroutine::{Coroutine, Resumed};
use leno::thread;

use super::canaries::{assert_aligned, hold};
use super::{isa, trace};

#[test]
fn canaries_hold_across_yields_of_many_green_threads() {
    leno::run(|| {
        let handles: Vec<_> = (1..=7)
            .map(|seed| {
                leno::spawn(move || {
                    assert_aligned();
                    for round in 0..50 {
                        hold(seed * 1_000 + round, leno::yield_now);
                        assert_aligned();
                    }
                    seed
                })
            })
            .collect();
        for round in 0..30 {
            hold(round, leno::yield_now);
        }
        let sum: u64 = handles.into_iter().map(|handle| hold(99, || handle.join()).unwrap()).sum();
        assert_eq!(sum, 28);
    });
}

#[test]
fn canaries_hold_across_park_and_unpark() {
    leno::run(|| {
        let waiters: Vec<_> = (0..5)
            .map(|seed| {
                leno::spawn(move || {
                    for round in 0..20 {
                        hold(seed * 100 + round, thread::park);
                        assert_aligned();
                    }
                })
            })
            .collect();
        for round in 0..20 {
            hold(5_000 + round, leno::yield_now);
            waiters.iter().for_each(|waiter| waiter.thread().unpark());
        }
        for waiter in waiters {
            hold(6_000, || waiter.join()).unwrap();
        }
    });
}

#[test]
fn canaries_hold_after_a_green_thread_has_ended() {
    leno::run(|| {
        for seed in 0..10 {
            // A joined green thread wakes its joiner. An unjoined one is freed after
            // the next switch.
            let joined = hold(seed, || leno::spawn(|| hold(7_000, || 7)));
            assert_eq!(hold(seed, || joined.join()).unwrap(), 7);
            drop(leno::spawn(assert_aligned));
            hold(seed, leno::yield_now);
            let panicking = leno::spawn(|| std::panic::resume_unwind(Box::new(())));
            assert!(hold(seed, || panicking.join()).map(|(): ()| ()).is_err());
        }
        // These end after the closure of `run`.
        for seed in 0..3 {
            leno::spawn(move || hold(8_000 + seed, leno::yield_now));
        }
    });
}

#[test]
fn canaries_hold_across_runtimes_and_scopes() {
    for seed in 0..5 {
        let sum = hold(seed, || {
            leno::run(|| {
                let numbers = [1, 2, 3];
                let sum = &RefCell::new(0);
                hold(seed + 10, || {
                    leno::scope(|scope| {
                        for number in &numbers {
                            scope.spawn(move || {
                                hold(seed + 20, leno::yield_now);
                                *sum.borrow_mut() += number;
                            });
                        }
                    });
                });
                sum.take()
            })
        });
        assert_eq!(sum, 6);
    }
}

#[test]
fn canaries_hold_in_coroutines_inside_green_threads() {
    leno::run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..3)
            .map(|seed| {
                let log = log.clone();
                leno::spawn(move || {
                    let coroutine = Coroutine::<u64, u64, ()>::new(move |yielder, mut input| {
                        for round in 0..5 {
                            hold(seed * 10 + round, leno::yield_now);
                            input = hold(seed * 20 + round, || yielder.suspend(input + round));
                        }
                    });
                    while let Resumed::Yield(value) = hold(seed, || coroutine.resume(seed)) {
                        log.borrow_mut().push(value);
                        assert_aligned();
                    }
                })
            })
            .collect();
        for handle in handles {
            hold(1, || handle.join()).unwrap();
        }
        assert_eq!(*log.borrow(), [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]);
    });
}

#[test]
fn a_backtrace_in_a_green_thread_ends_at_its_entry() {
    // A backtrace that continued into another green thread or into `run` would contain
    // a second holder.
    let spawn = || leno::spawn(|| hold(2, trace::trace)).join().unwrap();
    let frames = hold(1, || leno::run(|| hold(3, spawn)));
    let holder = isa::hold as *const () as usize;
    assert_eq!(frames.iter().filter(|frame| frame.function == holder).count(), 1);
    assert!(frames.iter().all(|frame| frame.function != 0), "each frame has a function");
}
