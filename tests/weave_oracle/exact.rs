//! An exploration runs each execution exactly once: its counts are compared with those
//! of a model.

use std::cell::{Cell, RefCell};

use leno::weave::{Explorer, FailureKind, Report};
use proptest::test_runner::TestCaseError;

use crate::generate::{self, Mix, Subject};
use crate::interpret::{self, CellKind};
use crate::model::{self, Counts, Mode};
use crate::program::{End, Logs, Program};
use crate::seed::{scaled, seeded_runner};

/// A program with more executions than this is not compared.
const MOST: u64 = 400;

fn counts(report: &Report<Logs>) -> Counts {
    let mut counts: Counts = report
        .outcomes()
        .iter()
        .map(|(value, outcome)| (End::Value(value.clone()), outcome.count()))
        .collect();
    for failure in report.failures() {
        let end = match failure.kind() {
            FailureKind::Deadlock => End::Deadlock,
            FailureKind::Panic => End::Panic(failure.message().to_owned()),
            kind => End::Panic(format!("{kind:?}: {failure}")),
        };
        *counts.entry(end).or_default() += failure.count();
    }
    counts
}

#[derive(Debug, Default)]
struct Tally {
    programs: u64,
    too_large: u64,
    executions: u64,
    ends: u64,
    /// The number of programs with more than one end.
    several_ends: u64,
    deadlocks: u64,
    panics: u64,
}

fn compare(name: &str, programs: u32, mix: Mix, mode: Mode) {
    let (mut runner, repeat) = seeded_runner(name, scaled(programs));
    let tally = RefCell::new(Tally::default());
    let explorer = match mode {
        Mode::Cooperative => Explorer::new(),
        Mode::Fair => Explorer::new().fair(),
        Mode::Preemptive => Explorer::new().preemptive(),
    };
    let result = runner.run(&generate::programs(mix), |program| {
        let Some(predicted) = model::executions(&program, mode, MOST) else {
            tally.borrow_mut().too_large += 1;
            return Ok(());
        };
        add(&mut tally.borrow_mut(), &predicted);
        // The explorer must not depend on knowledge of the shared cells.
        let kinds: &[CellKind] = match mode {
            Mode::Preemptive => &[CellKind::Shared, CellKind::Atomic],
            _ => &[CellKind::Plain],
        };
        kinds.iter().try_for_each(|&cells| {
            let report = explorer.explore(interpret::closure(&program, cells));
            judge(&program, &predicted, &report)
        })
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    let tally = tally.into_inner();
    println!("  {tally:?}");
    check(&tally);
}

fn add(tally: &mut Tally, predicted: &Counts) {
    tally.programs += 1;
    tally.executions += predicted.values().sum::<u64>();
    tally.ends += predicted.len() as u64;
    tally.several_ends += u64::from(predicted.len() > 1);
    tally.deadlocks += u64::from(predicted.contains_key(&End::Deadlock));
    tally.panics += u64::from(predicted.keys().any(|end| matches!(end, End::Panic(_))));
}

/// Asserts that the programs were worth comparing.
fn check(tally: &Tally) {
    let programs = tally.programs;
    assert!(tally.too_large < programs, "{tally:?}");
    assert!(tally.executions > 10 * programs, "{tally:?}");
    assert!(tally.several_ends > programs / 16, "{tally:?}");
    assert!(tally.deadlocks > programs / 20 && tally.deadlocks < programs / 2, "{tally:?}");
}

fn judge(
    program: &Program,
    predicted: &Counts,
    report: &Report<Logs>,
) -> Result<(), TestCaseError> {
    let total: u64 = predicted.values().sum();
    if counts(report) == *predicted && report.executions() == total && report.is_complete() {
        return Ok(());
    }
    let model: String =
        predicted.iter().map(|(end, count)| format!("    {count} x {end:?}\n")).collect();
    Err(TestCaseError::fail(format!("{program:?}leno: {report}\nmodel: {total}\n{model}")))
}

const MIX: Mix = Mix {
    subjects: &[
        Subject::Yields,
        Subject::Cells,
        Subject::Mutexes,
        Subject::Channels,
        Subject::Channels,
        Subject::Permits,
        Subject::Condvar,
        Subject::Tokens,
        Subject::Threads,
        Subject::Cancels,
        Subject::Time,
        Subject::Panics,
    ],
    most_threads: 3,
    most_operations: 4,
    has_timeouts: true,
};

#[test]
fn each_cooperative_execution_runs_once() {
    compare("exact, cooperative", 3_000, MIX, Mode::Cooperative);
}

#[test]
fn each_fair_execution_runs_once() {
    const YIELDS: Mix = Mix {
        subjects: &[
            Subject::Yields,
            Subject::Yields,
            Subject::Yields,
            Subject::Cells,
            Subject::Tokens,
            Subject::Channels,
            Subject::Time,
        ],
        ..MIX
    };
    compare("exact, fair", 1_000, YIELDS, Mode::Fair);
}

#[test]
fn each_preemptive_execution_runs_once() {
    let mix = Mix { most_threads: 2, most_operations: 3, ..MIX };
    compare("exact, preemptive", 2_000, mix, Mode::Preemptive);
}

#[test]
fn a_replaced_green_thread_is_detected() {
    // From the third run on, another green thread replaces B after B's first turn.
    let runs = Cell::new(0);
    let report = Explorer::new().explore(|| {
        runs.set(runs.get() + 1);
        leno::scope(|scope| {
            scope.spawn(leno::yield_now);
            scope.spawn(|| match runs.get() {
                1 | 2 => leno::yield_now(),
                _ => drop(scope.spawn(|| ())),
            });
            scope.spawn(|| ());
        });
    });
    let found = report.failure().expect("the program is not repeatable");
    assert_eq!(found.kind(), FailureKind::NotRepeatable, "{report}");
    let text = found.message();
    assert!(text.contains("at choice 4 of the run, others could run than before"), "{text}");
}

#[test]
fn a_repeated_choice_chooses_the_same_thread() {
    // From the second run on, another green thread has the turn that B has at choice 5.
    let runs = Cell::new(0);
    let yields = || (0..3).for_each(|_| leno::yield_now());
    let report = Explorer::new().explore(|| {
        runs.set(runs.get() + 1);
        leno::scope(|scope| {
            scope.spawn(yields);
            scope.spawn(|| match runs.get() {
                1 => yields(),
                _ => drop(scope.spawn(yields)),
            });
            scope.spawn(yields);
        });
    });
    let text = report.failure().expect("the program is not repeatable").message();
    assert!(text.contains("at choice 5 of the run, others could run than before"), "{text}");
}
