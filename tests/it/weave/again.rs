//! Consecutive explorations on an OS thread. An exploration leaves nothing to the
//! next, although both may use the same runtime.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread as os;
use std::time::{Duration, Instant};

use leno::debug::{Hog, Recorder, watch_hogs_with};
use leno::thread::{self, Thread, ThreadId};
use leno::weave::{Explorer, FailureKind, explore};

use super::{By, counts, losing_fails, lost_update, steps};
use crate::support::{OnDrop, caught};

/// Returns a value that equals every other.
fn equal<T>(value: T) -> By<T> {
    By(value, |_, _| Ordering::Equal)
}

/// Explores a program of 20 executions.
#[track_caller]
fn explores_as_always() {
    let report = explore(|| steps(&[3, 3]));
    assert_eq!((report.executions(), report.outcomes().len()), (20, 20), "{report}");
    assert!(report.is_complete());
}

#[test]
fn identifiers_of_two_explorations_differ() {
    let ids = |explorer: Explorer| {
        let ids = RefCell::new(BTreeSet::new());
        explorer.explore(|| {
            ids.borrow_mut().insert(thread::current().id());
            let spawned = [0, 1].map(|_| leno::spawn(leno::yield_now));
            ids.borrow_mut().extend(spawned.iter().map(|handle| handle.thread().id()));
        });
        ids.into_inner()
    };
    let all: Vec<BTreeSet<ThreadId>> = [
        Explorer::new(),
        Explorer::new(),
        Explorer::new().reduced(),
        Explorer::new().random(1).max_executions(3),
        Explorer::new(),
    ]
    .map(ids)
    .into();
    for (place, one) in all.iter().enumerate() {
        // The executions of an exploration are alike, and so are their identifiers.
        assert_eq!(one.iter().map(ThreadId::number).collect::<Vec<_>>(), [1, 2, 3]);
        for other in &all[place + 1..] {
            assert!(one.is_disjoint(other), "exploration {place}: {one:?}");
        }
    }
}

#[test]
fn a_handle_does_not_reach_the_next_exploration() {
    let kept: RefCell<Option<Thread>> = RefCell::default();
    explore(|| drop(kept.replace(Some(thread::current()))));
    let kept = kept.into_inner().unwrap();
    // The thread has ended, and the handle does not reach a running one either.
    kept.unpark();
    kept.cancel();
    let report = explore(|| {
        kept.unpark();
        kept.cancel();
        leno::yield_now();
        assert_ne!(thread::current().id(), kept.id());
        thread::park();
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock, "{report}");
    explores_as_always();
}

#[test]
fn a_cancellation_does_not_reach_the_next_execution() {
    let report = explore(|| {
        let main = thread::current();
        leno::spawn(leno::yield_now);
        leno::yield_now();
        equal(OnDrop(move || main.cancel()))
    });
    assert!(report.is_complete() && report.failures().is_empty(), "{report}");
    assert!(report.executions() > 1);
    explores_as_always();
}

#[test]
fn a_value_of_a_failed_execution_is_dropped() {
    let (drops, runs) = (Rc::new(Cell::new(0)), Cell::new(0));
    let report = explore(|| {
        // The value of the previous execution has been dropped.
        assert_eq!(drops.get(), runs.get());
        runs.set(runs.get() + 1);
        leno::spawn(leno::yield_now);
        leno::spawn(thread::park);
        let drops = drops.clone();
        equal(OnDrop(move || {
            assert!(!os::panicking() && !thread::panicking());
            // The drop happens outside the runtime, so that a runtime may run.
            assert_eq!(leno::run(|| 1), 1);
            drops.set(drops.get() + 1);
        }))
    });
    assert_eq!(report.failures()[0].kind(), FailureKind::Deadlock, "{report}");
    assert_eq!(report.failures()[0].count(), report.executions());
    assert_eq!((drops.get(), runs.get()), (3, 3), "{report}");
    explores_as_always();
}

#[test]
fn a_value_of_a_failed_execution_may_panic() {
    let explored = caught(|| {
        explore(|| {
            leno::spawn(thread::park);
            equal(OnDrop(|| std::panic::resume_unwind(Box::new("dropped"))))
        })
    });
    assert_eq!(explored.err().unwrap().downcast_ref(), Some(&"dropped"));
    explores_as_always();
}

#[test]
fn a_deadlock_of_destructors_is_not_repeated() {
    // In the first execution, A waits forever, and its destructor spawns a thread
    // that waits forever when the run is over.
    let report = explore(|| {
        let is_set = Rc::new(Cell::new(false));
        let sets = is_set.clone();
        leno::spawn(move || {
            if !is_set.get() {
                let _spawns = OnDrop(|| drop(leno::spawn(thread::park)));
                thread::park();
            }
        });
        leno::spawn(move || sets.set(true));
    });
    assert_eq!((report.executions(), counts(&report).1), (2, vec![((), 1)]), "{report}");
    assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
}

#[test]
fn a_recorder_stops_with_its_exploration() {
    let recorder = Recorder::new();
    explore(|| {
        recorder.start();
        leno::spawn(leno::yield_now);
    });
    let timeline = recorder.timeline().to_string();
    explores_as_always();
    assert_eq!(recorder.timeline().to_string(), timeline);
}

#[test]
fn a_watchdog_stops_with_its_exploration() {
    let seen = Arc::new(AtomicU32::new(0));
    let watchdogs = RefCell::new(Vec::new());
    explore(|| {
        let counts = seen.clone();
        let count = move |_: Hog| {
            counts.fetch_add(1, SeqCst);
        };
        watchdogs.borrow_mut().push(watch_hogs_with(Duration::from_millis(1), count).unwrap());
    });
    let before = seen.load(SeqCst);
    explore(|| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
    });
    assert_eq!(seen.load(SeqCst), before);
}

#[test]
fn failed_and_large_explorations_leave_nothing_behind() {
    for _ in 0..3 {
        assert_eq!(counts(&explore(lost_update)), (6, vec![(1, 4), (2, 2)]));
        assert_eq!(explore(losing_fails).failure().unwrap().count(), 4);
        let stuck = explore(|| drop(leno::spawn(thread::park)));
        assert_eq!(stuck.failure().unwrap().kind(), FailureKind::Deadlock);
        let endless = Explorer::new().max_steps(50).max_executions(3).explore(|| {
            leno::spawn(|| (0..100).for_each(|_| leno::yield_now()));
            (0..100).for_each(|_| leno::yield_now());
        });
        assert_eq!(endless.failure().unwrap().kind(), FailureKind::Endless);
        let many = Explorer::new().max_executions(2).explore(|| {
            for _ in 0..2_000 {
                leno::spawn(leno::yield_now);
            }
        });
        assert_eq!((many.executions(), many.failure()), (2, None));
        let leaks = explore(|| std::mem::forget(leno::spawn(leno::yield_now)));
        assert_eq!(leaks.failure(), None);
        let reduced = Explorer::new().reduced().preemptive().explore(lost_update);
        assert!(reduced.is_complete(), "{reduced}");
        explores_as_always();
    }
}

#[test]
fn a_panicking_exploration_leaves_nothing_behind() {
    for _ in 0..3 {
        let program = || By((), |_, _| panic!("not comparable"));
        assert!(caught(|| explore(program)).is_err());
        explores_as_always();
    }
}

#[test]
fn a_comparison_may_explore() {
    let program = || {
        By(lost_update(), |value, other| {
            explores_as_always();
            value.cmp(other)
        })
    };
    let report = explore(program);
    let found: Vec<_> = report.outcomes().iter().map(|(one, two)| (one.0, two.count())).collect();
    assert_eq!((report.executions(), found), (6, vec![(1, 4), (2, 2)]));
}

#[test]
fn each_exploration_has_its_own_stack_size() {
    for (bytes, is_enough) in [(64 << 10, true), (32 << 10, false), (64 << 10, true)] {
        let report = Explorer::new().stack_size(bytes).explore(|| {
            // The closure captures more than half of a stack of 32 KiB.
            let captured = [1u8; 20 << 10];
            leno::spawn(move || captured.len()).join().unwrap()
        });
        assert_eq!(report.failure().is_none(), is_enough, "{bytes}: {report}");
    }
}

#[test]
fn an_os_thread_may_explore_until_its_end() {
    thread_local! {
        static BEFORE: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    /// A thread-local value with a destructor that explores, before or after the state
    /// of explorations has been dropped.
    struct AtEnd(mpsc::Sender<u64>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            for _ in 0..2 {
                self.0.send(explore(|| steps(&[3, 3])).executions()).unwrap();
            }
        }
    }
    for _ in 0..3 {
        let (sender, receiver) = mpsc::channel();
        os::spawn(move || {
            BEFORE.set(Some(AtEnd(sender.clone())));
            explores_as_always();
            AFTER.set(Some(AtEnd(sender)));
        })
        .join()
        .unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [20; 4]);
    }
}
