//! Interleavings: all of them, the one that is wanted, and the one that fails.

mod accesses;
mod again;
mod bad_input;
mod checking;
mod counts;
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

use leno::weave::{Explorer, Report, Schedule, Shared, replay};

/// Green threads of so many steps each. Gives who made each step.
pub fn steps(counts: &[usize]) -> String {
    let out = RefCell::new(String::new());
    leno::scope(|scope| {
        for (name, &count) in ('a'..).zip(counts) {
            let out = &out;
            scope.spawn(move || {
                for step in 0..count {
                    if step > 0 {
                        leno::yield_now();
                    }
                    out.borrow_mut().push(name);
                }
            });
        }
    });
    out.into_inner()
}

/// Two read a number, and then write what they read and one more.
pub fn lost_update() -> u32 {
    let total = Cell::new(0);
    leno::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let before = total.get();
                leno::yield_now();
                total.set(before + 1);
            });
        }
    });
    total.get()
}

/// The same, of shared data, and without a yield.
pub fn lost_update_of_shared() -> u32 {
    let total = Shared::new(0);
    leno::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| total.set(total.get() + 1));
        }
    });
    total.into_inner()
}

/// One that fails if an update is lost.
pub fn losing_fails() {
    assert_eq!(lost_update(), 2, "an update was lost");
}

/// How many executions there are, and each outcome with its count.
pub fn counts<T: Ord + Clone>(report: &Report<T>) -> (u64, Vec<(T, u64)>) {
    let outcomes = report.outcomes().iter();
    (report.executions(), outcomes.map(|(value, one)| (value.clone(), one.count())).collect())
}

/// Explores all of a program. Each schedule in the report gives what it stands
/// for, also after it has been printed and parsed; and a reduced exploration has
/// the same outcomes.
#[track_caller]
pub fn explored<T: Ord + Clone + std::fmt::Debug>(
    explorer: &Explorer,
    program: impl Fn() -> T,
) -> Report<T> {
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
