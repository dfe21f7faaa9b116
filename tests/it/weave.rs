//! Exploration of interleavings: executions, schedules, replays and failures.

mod accesses;
#[cfg(feature = "debug")]
mod again;
mod atomics;
mod bad_input;
mod checking;
mod counts;
mod deadlines;
#[cfg(feature = "unblock")]
mod inside;
mod operations;
mod primitives;
mod processes;
mod progress;
mod sampled;
mod schedules;
mod shrinking;
mod stopped;
mod workers;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::fmt::{self, Debug};

use leno::weave::{Explorer, FailureKind, Report, Schedule, Shared, replay};

use crate::support::spawn_each;

/// Runs a green thread with `count` steps for each count. Returns the letters of the
/// threads in the order of their steps.
pub fn steps(counts: &[usize]) -> String {
    let out = RefCell::new(String::new());
    spawn_each(('a'..).zip(counts), |(name, &count)| {
        for step in 0..count {
            if step > 0 {
                leno::yield_now();
            }
            out.borrow_mut().push(name);
        }
    });
    out.into_inner()
}

/// Runs two green threads that each read a number, yield, and write it increased by
/// 1.
pub fn lost_update() -> u32 {
    let total = Cell::new(0);
    spawn_each(0..2, |_| {
        let before = total.get();
        leno::yield_now();
        total.set(before + 1);
    });
    total.get()
}

/// Does the same as [`lost_update`] with shared data and without a yield.
pub fn lost_update_of_shared() -> u32 {
    let total = Shared::new(0);
    spawn_each(0..2, |_| total.set(total.get() + 1));
    total.into_inner()
}

/// Panics if an update is lost.
pub fn losing_fails() {
    assert_eq!(lost_update(), 2, "an update was lost");
}

/// Returns the number of executions, and each outcome with its count.
pub fn counts<T: Ord + Clone>(report: &Report<T>) -> (u64, Vec<(T, u64)>) {
    let outcomes = report.outcomes().iter();
    (report.executions(), outcomes.map(|(value, one)| (value.clone(), one.count())).collect())
}

/// Returns the outcomes in their order.
pub fn values<T: Ord + Clone>(report: &Report<T>) -> Vec<T> {
    report.outcomes().keys().cloned().collect()
}

pub fn kinds<T: Ord>(report: &Report<T>) -> Vec<FailureKind> {
    report.failures().iter().map(|failure| failure.kind()).collect()
}

/// Returns everything in the report, as it is printed and as it is debugged.
pub fn text<T: Ord + Debug>(report: &Report<T>) -> String {
    format!("{report}\n{report:#?}")
}

pub fn yield_forever() -> ! {
    loop {
        leno::yield_now();
    }
}

/// A value that a function compares.
pub struct By<T>(pub T, pub fn(&T, &T) -> Ordering);

impl<T> Debug for By<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By")
    }
}

impl<T> PartialEq for By<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for By<T> {}

impl<T> PartialOrd for By<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for By<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.1)(&self.0, &other.0)
    }
}

/// Explores the program completely. Checks that each schedule in the report replays
/// its outcome, also after it has been printed and parsed.
#[track_caller]
pub fn explored<T: Ord + Clone + Debug>(explorer: &Explorer, program: impl Fn() -> T) -> Report<T> {
    let report = explorer.explore(&program);
    assert!(report.is_complete(), "{report}");
    let mut executions = 0;
    for (value, outcome) in report.outcomes() {
        executions += outcome.count();
        let text = outcome.schedule().to_string();
        assert_eq!(text.parse::<Schedule>().as_ref(), Ok(outcome.schedule()));
        assert_eq!(&replay(&text, &program), value, "{text}");
    }
    executions += report.failures().iter().map(|failure| failure.count()).sum::<u64>();
    assert_eq!(executions, report.executions());
    report
}
