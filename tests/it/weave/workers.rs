//! Several OS threads find what one finds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leno::weave::{Explorer, FailureKind, Report};

use super::{losing_fails, lost_update, lost_update_of_shared, steps};
use crate::support::{caught, panic_text};

/// Everything in the report, also what is printed.
fn text<T: Ord + std::fmt::Debug>(report: &Report<T>) -> String {
    format!("{report}\n{report:#?}")
}

#[track_caller]
fn same<T: Ord + Send + std::fmt::Debug>(explorer: &Explorer, program: impl Fn() -> T + Sync) {
    let expected = text(&explorer.explore(&program));
    for count in [1, 2, 3, 7] {
        let found = text(&explorer.clone().workers(count).explore(&program));
        assert_eq!(found, expected, "{count} workers");
    }
}

/// Two locks in two orders, and a panic in one of three executions or so.
fn troubled() -> bool {
    let locks = [(); 2].map(|()| leno::sync::Mutex::new(()));
    let order = std::cell::RefCell::new(String::new());
    leno::scope(|scope| {
        for (name, one, other) in [('a', 0, 1), ('b', 1, 0), ('c', 0, 1)] {
            let (locks, order) = (&locks, &order);
            scope.spawn(move || {
                leno::yield_now();
                order.borrow_mut().push(name);
                let _one = locks[one].lock().unwrap();
                leno::yield_now();
                let _other = locks[other].lock().unwrap();
                assert_ne!(&*order.borrow(), "cb", "c and b, and not a");
            });
        }
    });
    order.into_inner().starts_with('a')
}

#[test]
fn the_report_is_that_of_one() {
    let all = Explorer::new();
    same(&all, || steps(&[3, 3, 3]));
    same(&all, || steps(&[1, 2, 3, 1]));
    same(&all, lost_update);
    same(&all, losing_fails);
    same(&all, troubled);
    // One execution is all there is.
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
    // By one, whatever is said.
    same(&all.reduced(), || steps(&[2, 2]));
}

#[test]
fn failures_of_several_kinds_are_in_the_order_in_which_one_finds_them() {
    let report = Explorer::new().workers(3).explore(troubled);
    let kinds: Vec<FailureKind> = report.failures().iter().map(|failure| failure.kind()).collect();
    assert!(kinds.contains(&FailureKind::Panic) && kinds.contains(&FailureKind::Deadlock));
    let counts: u64 = report.failures().iter().map(|failure| failure.count()).sum();
    let values: u64 = report.outcomes().values().map(|outcome| outcome.count()).sum();
    assert_eq!(counts + values, report.executions());
    assert!(report.is_complete());
}

#[test]
fn executions_drawn_by_chance_are_the_same_as_with_one() {
    for most in [1, 2, 100, 333] {
        let random = Explorer::new().random(5).max_executions(most);
        same(&random, || steps(&[3, 3, 2]));
        same(&random, troubled);
        same(&random.preemptive(), lost_update_of_shared);
    }
}

#[test]
fn a_bound_ends_the_exploration_of_all() {
    let explorer = Explorer::new().max_executions(50);
    let report = explorer.workers(3).explore(|| steps(&[3, 3, 3]));
    assert!((50..53).contains(&report.executions()), "{}", report.executions());
    assert!(!report.is_complete());
    let explorer = Explorer::new().max_time(Duration::from_millis(20));
    let report = explorer.workers(2).explore(|| steps(&[7, 7, 7]));
    assert!(!report.is_complete() && report.executions() > 0);
}

#[test]
fn a_program_that_does_not_repeat_itself_is_found_out() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let report = Explorer::new().workers(2).explore(|| {
        let late = usize::from(RUNS.fetch_add(1, Ordering::Relaxed) >= 40);
        steps(&[3; 4][..3 + late])
    });
    assert!(!report.is_complete());
    let kinds: Vec<FailureKind> = report.failures().iter().map(|failure| failure.kind()).collect();
    assert_eq!(kinds, [FailureKind::NotRepeatable]);
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
fn a_panic_of_a_worker_ends_all_and_goes_on() {
    let program = || Incomparable(steps(&[4, 4]).len() as u64);
    assert!(caught(|| Explorer::new().workers(3).explore(program)).is_err());
    assert_eq!(panic_text(|| Explorer::new().explore(program)), "no order");
}
