//! The reduction misses nothing: each program is explored in full and reduced, and both
//! explorations have the same ends.

use std::cell::RefCell;
use std::collections::BTreeSet;

use leno::weave::{Explorer, FailureKind, Report};
use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseError;

use crate::generate::{self, Mix, Subject};
use crate::interpret::{self, CellKind};
use crate::program::{End, Logs, Program};
use crate::seed::{scaled, seeded_runner};

/// An exploration of more executions than this is abandoned.
const MOST: u64 = 1_000;

/// Returns all ends of the program.
fn ends(report: &Report<Logs>) -> BTreeSet<End> {
    let values = report.outcomes().keys().cloned().map(End::Value);
    let failures = report.failures().iter().map(|failure| match failure.kind() {
        FailureKind::Deadlock => End::Deadlock,
        FailureKind::Panic => End::Panic(failure.message().to_owned()),
        kind => End::Panic(format!("{kind:?}: {failure}")),
    });
    values.chain(failures).collect()
}

#[derive(Default, Debug)]
struct Tally {
    programs: u64,
    too_large: u64,
    full: u64,
    reduced: u64,
    redundant: u64,
    deadlocks: u64,
    panics: u64,
    several_ends: u64,
    /// The number of programs with a factor of less than 2, of 2 to 4, and so on.
    factors: [u64; 12],
}

impl Tally {
    fn add(&mut self, ends: &BTreeSet<End>, full: u64, reduced: u64, redundant: u64) {
        self.programs += 1;
        self.full += full;
        self.reduced += reduced;
        self.redundant += redundant;
        self.deadlocks += u64::from(ends.contains(&End::Deadlock));
        self.panics += u64::from(ends.iter().any(|end| matches!(end, End::Panic(_))));
        self.several_ends += u64::from(ends.len() > 1);
        let factor = (full / reduced.max(1)).max(1).ilog2() as usize;
        self.factors[factor.min(11)] += 1;
    }
}

fn audit(name: &str, programs: u32, mix: Mix, explorer: &Explorer) {
    let (mut runner, repeat) = seeded_runner(name, scaled(programs));
    let tally = RefCell::new(Tally::default());
    let result = runner.run(&generate::programs(mix), |program| {
        let closure = interpret::closure(&program, CellKind::Shared);
        let full = explorer.clone().max_executions(MOST).explore(&closure);
        if !full.is_complete() {
            tally.borrow_mut().too_large += 1;
            return Ok(());
        }
        let with_atomics = interpret::closure(&program, CellKind::Atomic);
        compare(&program, &full, &explorer.clone().reduced().explore(with_atomics))?;
        let reduced = explorer.clone().reduced().explore(&closure);
        compare(&program, &full, &reduced)?;
        // Each schedule leads to its recorded outcome.
        for (value, outcome) in reduced.outcomes() {
            let schedule = outcome.schedule().to_string();
            let again = explorer.replay(&schedule, &closure);
            prop_assert_eq!(&again, value, "{:?}{}", program, schedule);
        }
        let (executions, redundant) = (reduced.executions(), reduced.redundant());
        tally.borrow_mut().add(&ends(&full), full.executions(), executions, redundant);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    let tally = tally.into_inner();
    let few = tally.programs < 200;
    assert!(few || tally.several_ends > tally.programs / 20, "{tally:?}");
    assert!(few || tally.reduced < tally.full * 3 / 4, "{tally:?}");
    println!(
        "  {tally:?}: {:.1} times fewer",
        tally.full as f64 / (tally.reduced + tally.redundant) as f64
    );
}

fn compare(
    program: &Program,
    full: &Report<Logs>,
    reduced: &Report<Logs>,
) -> Result<(), TestCaseError> {
    let fail = |text: String| Err(TestCaseError::fail(format!("{program:?}{text}")));
    let (all, found) = (ends(full), ends(reduced));
    if all != found {
        let missed = full
            .outcomes()
            .iter()
            .filter(|(value, _)| !found.contains(&End::Value((*value).clone())));
        let missed: String = missed
            .map(|(value, outcome)| format!("    {value:?}: {}\n", outcome.schedule()))
            .collect();
        return fail(format!("missed:\n{missed}full: {full}\nreduced: {reduced}"));
    }
    if reduced.executions() > full.executions() {
        return fail(format!("more executions\nfull: {full}\nreduced: {reduced}"));
    }
    if !reduced.is_complete() {
        return fail("not complete".to_owned());
    }
    Ok(())
}

const MIX: Mix = Mix {
    subjects: &[
        Subject::Yields,
        Subject::Cells,
        Subject::Cells,
        Subject::Mutexes,
        Subject::Channels,
        Subject::Channels,
        Subject::Permits,
        Subject::Condvar,
        Subject::Tokens,
        Subject::Threads,
        Subject::Cancels,
        Subject::Panics,
    ],
    most_threads: 3,
    most_operations: 4,
    has_timeouts: false,
};

/// Returns the mix without yields: in a preemptive exploration a yield lets all others go first, and so
/// depends on every step.
fn without_yields() -> Mix {
    Mix { subjects: MIX.subjects.split_at(1).1, most_threads: 2, most_operations: 3, ..MIX }
}

#[test]
fn a_cooperative_reduction_misses_nothing() {
    audit("reduced, cooperative", 1_000, MIX, &Explorer::new());
}

#[test]
fn a_preemptive_reduction_misses_nothing() {
    audit("reduced, preemptive", 800, without_yields(), &Explorer::new().preemptive());
}

#[test]
fn a_fair_reduction_misses_nothing() {
    let explorer = Explorer::new().max_steps(10_000);
    let mix = Mix { most_threads: 2, most_operations: 3, ..MIX };
    audit("reduced, fair", 400, mix, &explorer.clone().fair());
    audit("reduced, preemptive and fair", 300, mix, &explorer.preemptive());
}

const TIMED: Mix = Mix {
    subjects: &[
        Subject::Cells,
        Subject::Mutexes,
        Subject::Channels,
        Subject::Permits,
        Subject::Condvar,
        Subject::Tokens,
        Subject::Tokens,
        Subject::Threads,
        Subject::Cancels,
        Subject::Time,
        Subject::Time,
    ],
    most_threads: 2,
    most_operations: 3,
    has_timeouts: true,
};

#[test]
fn a_reduction_with_deadlines_misses_nothing() {
    audit("reduced, with deadlines", 800, TIMED, &Explorer::new());
}

/// What the model does not know, beside what it has in common with that.
const EXTRAS: Mix = Mix {
    subjects: &[
        Subject::Extras,
        Subject::Extras,
        Subject::Extras,
        Subject::Cells,
        Subject::Mutexes,
        Subject::Condvar,
        Subject::Permits,
        Subject::Threads,
        Subject::Cancels,
        Subject::Time,
    ],
    most_threads: 2,
    most_operations: 3,
    has_timeouts: true,
};

#[test]
fn a_reduction_of_operations_without_a_model_misses_nothing() {
    audit("reduced, extras", 600, EXTRAS, &Explorer::new());
    let mix = Mix { most_operations: 2, ..EXTRAS };
    audit("reduced, extras, preemptive", 300, mix, &Explorer::new().preemptive());
}

#[test]
fn a_timed_reduction_misses_nothing() {
    audit("reduced, timed", 400, TIMED, &Explorer::new().timed());
    audit("reduced, timed, preemptive", 200, TIMED, &Explorer::new().timed().preemptive());
}
