//! Several workers find what one worker finds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leno::weave::{Explorer, FailureKind};

use super::{kinds, losing_fails, lost_update, lost_update_of_shared, steps, text};
use crate::support::{caught, panic_text, spawn_each};

#[track_caller]
fn same<T: Ord + Send + std::fmt::Debug>(explorer: &Explorer, program: impl Fn() -> T + Sync) {
    let expected = text(&explorer.explore(&program));
    for count in [1, 2, 3, 7] {
        let found = text(&explorer.clone().workers(count).explore(&program));
        assert_eq!(found, expected, "{count} workers");
    }
}

/// Takes two locks in two orders, and panics in about one of three executions.
fn troubled() -> bool {
    let locks = [(); 2].map(|()| leno::sync::Mutex::new(()));
    let order = std::cell::RefCell::new(String::new());
    spawn_each([('a', 0, 1), ('b', 1, 0), ('c', 0, 1)], |(name, one, other)| {
        leno::yield_now();
        order.borrow_mut().push(name);
        let _one = locks[one].lock().unwrap();
        leno::yield_now();
        let _other = locks[other].lock().unwrap();
        assert_ne!(&*order.borrow(), "cb", "c and b, and not a");
    });
    order.into_inner().starts_with('a')
}

#[test]
fn the_report_is_that_of_one_worker() {
    let all = Explorer::new();
    same(&all, || steps(&[3, 3, 3]));
    same(&all, || steps(&[1, 2, 3, 1]));
    same(&all, lost_update);
    same(&all, losing_fails);
    same(&all, troubled);
    // A single execution.
    same(&all, || 1);
    same(&all, || -> u8 { panic!("at once") });
    same(&all.clone().preemptive(), lost_update_of_shared);
    same(&all.clone().max_switches(2), || steps(&[4, 4]));
    same(&all.clone().fair(), || steps(&[3, 3]));
    same(&all.clone().timed(), || {
        let (sender, receiver) = leno::channel::bounded(1);
        leno::spawn(move || {
            (0..3).for_each(|_| leno::yield_now());
            let _ = sender.send(());
        });
        receiver.recv_timeout(Duration::from_secs(1)).is_ok()
    });
    // A reduced exploration uses one worker only.
    same(&all.reduced(), || steps(&[2, 2]));
}

#[test]
fn failures_of_several_kinds_are_counted() {
    let report = Explorer::new().workers(3).explore(troubled);
    let kinds = kinds(&report);
    assert!(kinds.contains(&FailureKind::Panic) && kinds.contains(&FailureKind::Deadlock));
    let counts: u64 = report.failures().iter().map(|failure| failure.count()).sum();
    let values: u64 = report.outcomes().values().map(|outcome| outcome.count()).sum();
    assert_eq!(counts + values, report.executions());
    assert!(report.is_complete());
}

#[test]
fn sampled_executions_are_those_of_one_worker() {
    for most in [1, 2, 100, 333] {
        let random = Explorer::new().random(5).max_executions(most);
        same(&random, || steps(&[3, 3, 2]));
        same(&random, troubled);
        same(&random.preemptive(), lost_update_of_shared);
    }
}

#[test]
fn a_bound_stops_all_workers() {
    let explorer = Explorer::new().max_executions(50);
    let report = explorer.workers(3).explore(|| steps(&[3, 3, 3]));
    assert!((50..53).contains(&report.executions()), "{}", report.executions());
    assert!(!report.is_complete());
    let explorer = Explorer::new().max_time(Duration::from_millis(20));
    let report = explorer.workers(2).explore(|| steps(&[7, 7, 7]));
    assert!(!report.is_complete() && report.executions() > 0);
}

#[test]
fn a_program_that_is_not_repeatable_is_detected() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let report = Explorer::new().workers(2).explore(|| {
        let late = usize::from(RUNS.fetch_add(1, Ordering::Relaxed) >= 40);
        steps(&[3; 4][..3 + late])
    });
    assert!(!report.is_complete());
    assert_eq!(kinds(&report), [FailureKind::NotRepeatable]);
}

/// A value that cannot be compared.
#[derive(Debug, PartialEq, Eq)]
struct Incomparable(u64);

impl PartialOrd for Incomparable {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Incomparable {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        panic!("no order")
    }
}

#[test]
fn a_panic_of_a_worker_reaches_the_caller() {
    let program = || Incomparable(steps(&[4, 4]).len() as u64);
    assert!(caught(|| Explorer::new().workers(3).explore(program)).is_err());
    assert_eq!(panic_text(|| Explorer::new().explore(program)), "no order");
}
