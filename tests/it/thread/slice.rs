//! Slices of time: `yield_if_due` in loops that compute.

use std::cell::Cell;

use leno::thread::{self, yield_if_due};
use leno::time::{Duration, timeout};

use crate::support::{in_virtual_time, panic_text};

/// Calls `yield_if_due` until another thread has run, and returns the number of calls.
fn calls_until_another_runs() -> u32 {
    let has_run = Cell::new(false);
    let mut calls = 0;
    leno::scope(|scope| {
        scope.spawn(|| has_run.set(true));
        while !has_run.get() {
            yield_if_due();
            calls += 1;
        }
    });
    calls
}

#[test]
fn a_loop_gives_way_once_its_slice_is_used_up() {
    // It ends, after a number of calls that depends on the machine.
    leno::run(|| assert!(calls_until_another_runs() > 1));
}

#[test]
fn a_slice_of_virtual_time_is_a_number_of_calls() {
    in_virtual_time(|| {
        for _ in 0..3 {
            assert_eq!(calls_until_another_runs(), 1_001);
        }
        // A thread that has waited has a new slice.
        (0..900).for_each(|_| yield_if_due());
        leno::sleep(Duration::from_secs(1));
        assert_eq!(calls_until_another_runs(), 1_001);
    });
}

#[test]
fn a_loop_notices_its_deadline_at_the_end_of_a_slice() {
    leno::run(|| {
        let endless = || -> () {
            loop {
                yield_if_due();
            }
        };
        assert!(timeout(Duration::from_millis(1), endless).is_err());
        // Another OS thread cancels it.
        let (handle, me) = (leno::Handle::current(), thread::spawn(endless));
        let id = me.thread().id();
        std::thread::spawn(move || handle.cancel(id));
        assert!(me.join().is_err());
    });
}

#[test]
fn each_call_is_a_cancellation_point() {
    leno::run(|| {
        let calls = Cell::new(0);
        leno::scope(|scope| {
            let cancelled = scope.spawn(|| {
                thread::current().cancel();
                calls.set(1);
                yield_if_due();
                calls.set(2);
            });
            assert!(cancelled.join().is_err());
        });
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_slice_needs_a_runtime() {
    let text = panic_text(yield_if_due);
    assert!(text.contains("leno::thread::yield_if_due needs a runtime"), "{text}");
}

/// Whether a slice is over is explored: also that it is not, where a yield has to let others go first.
#[cfg(feature = "weave")]
#[test]
fn an_exploration_tries_both_at_each_call() {
    use std::collections::BTreeSet;

    use leno::weave::Explorer;

    let program = || {
        let total = Cell::new(0);
        crate::support::spawn_each(0..2, |_| {
            let before = total.get();
            (0..3).for_each(|_| yield_if_due());
            total.set(before + 1);
        });
        total.get()
    };
    let executions = [Explorer::new(), Explorer::new().fair()].map(|explorer| {
        let report = explorer.explore(program);
        let outcomes: BTreeSet<i32> = report.outcomes().keys().copied().collect();
        assert_eq!(outcomes, BTreeSet::from([1, 2]), "{report}");
        assert!(report.is_complete());
        report.executions()
    });
    // It is no hint that the thread waits for another.
    assert_eq!(executions[0], executions[1]);
}
