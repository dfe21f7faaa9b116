//! Pairs of measurements, and the table of their ratios.
//!
//! The speed of a machine drifts by more than the difference to measure. The two sides of a row
//! therefore take turns: each sample of one side is next to a sample of the other side, and the
//! ratio is the median of the ratios of these pairs.
//!
//! A switch writes to the stack, and its time varies by a cycle with the position in the cache line,
//! which is fixed for a whole process. Successive pairs are therefore measured at different depths
//! of the stack.

use std::cell::{Cell, RefCell};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use crate::work::Work;

/// A row of the table: the measured operation, the operation that it is compared with, and the limits
/// of the ratio.
pub struct Row {
    /// The name of the row, and of criterion's group.
    pub name: &'static str,
    pub ours: (&'static str, Work),
    pub theirs: (&'static str, Work),
    /// The reach and the goal: the ratio must not exceed the first and should not exceed the second.
    /// `None` for a row without limits.
    pub limits: Option<(f64, f64)>,
}

/// A sample of each side, with the same number of operations.
struct Pair {
    operations: u64,
    ours: Duration,
    theirs: Duration,
}

/// The result of a row.
pub struct Outcome {
    name: &'static str,
    ours: String,
    theirs: String,
    ratio: f64,
    quartiles: (f64, f64),
    limits: Option<(f64, f64)>,
}

/// Measures a row with criterion, as two benchmarks. Each of them runs both sides and reports the
/// time of one side to criterion.
///
/// Returns `None` if criterion did not measure the row, because it was filtered out or only tested.
pub fn measure(criterion: &mut Criterion, criterion_home: &Path, row: &Row) -> Option<Outcome> {
    let pairs = RefCell::new(Vec::new());
    let sides = Cell::new(0);
    let mut group = criterion.benchmark_group(row.name);
    // Every sample has the same number of operations, so every ratio has the same weight.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(row.ours.0, |bencher| {
        sides.set(sides.get() | 1);
        bencher.iter_custom(|operations| take_turns(row, operations, &mut pairs.borrow_mut()).ours);
    });
    group.bench_function(row.theirs.0, |bencher| {
        sides.set(sides.get() | 2);
        bencher
            .iter_custom(|operations| take_turns(row, operations, &mut pairs.borrow_mut()).theirs);
    });
    group.finish();

    if sides.get() != 3 {
        return None;
    }
    let ratios = ratios(&pairs.into_inner());
    Some(Outcome {
        name: row.name,
        ours: nanoseconds(criterion_home, row.name, row.ours.0),
        theirs: nanoseconds(criterion_home, row.name, row.theirs.0),
        ratio: quantile(&ratios, 0.5)?,
        quartiles: (quantile(&ratios, 0.25)?, quantile(&ratios, 0.75)?),
        limits: row.limits,
    })
}

/// Runs `operations` operations of both sides in short turns, and returns the sums. The turns are
/// short because other work on a machine takes milliseconds at a time: it then spoils only a few
/// pairs, which do not change the median.
fn take_turns(row: &Row, operations: u64, pairs: &mut Vec<Pair>) -> Pair {
    let turns = (operations / LEAST_OPERATIONS).clamp(1, MOST_TURNS);
    let mut sum = Pair { operations: 0, ours: Duration::ZERO, theirs: Duration::ZERO };
    for turn in 0..turns {
        let operations = (operations - sum.operations) / (turns - turn);
        let depth = pairs.len() % DEPTHS;
        let (ours, theirs);
        // Alternates the side that is first.
        if turn % 2 == 0 {
            ours = at_depth(depth, row.ours.1, operations);
            theirs = at_depth(depth, row.theirs.1, operations);
        } else {
            theirs = at_depth(depth, row.theirs.1, operations);
            ours = at_depth(depth, row.ours.1, operations);
        }
        pairs.push(Pair { operations, ours, theirs });
        sum.operations += operations;
        sum.ours += ours;
        sum.theirs += theirs;
    }
    sum
}

/// The largest number of turns for one request of criterion.
const MOST_TURNS: u64 = 33;
/// The smallest number of operations in a turn, if criterion requests that many.
const LEAST_OPERATIONS: u64 = 20_000;

/// The number of depths of the stack. Stacks are aligned to 16 bytes, a cache line has 64 bytes, and
/// lines are fetched in pairs.
const DEPTHS: usize = 8;

/// Runs `work` `depth` frames deeper. The size of a frame is an odd multiple of 16 bytes, so that the
/// depths cover every alignment.
#[inline(never)]
fn at_depth(depth: usize, work: Work, operations: u64) -> Duration {
    if depth == 0 {
        return work(operations);
    }
    let padding = black_box([0u8; 16]);
    let elapsed = at_depth(depth - 1, work, operations);
    black_box(&padding);
    elapsed
}

/// Returns the ratios of the pairs, sorted, without the short runs with which criterion warms up. A
/// test run has only short runs.
fn ratios(pairs: &[Pair]) -> Vec<f64> {
    if pairs.len() <= 2 {
        return Vec::new();
    }
    let most = pairs.iter().map(|pair| pair.operations).max().unwrap_or(0);
    let mut ratios: Vec<f64> = pairs
        .iter()
        .filter(|pair| pair.operations >= most / 4)
        .map(|pair| pair.ours.as_secs_f64() / pair.theirs.as_secs_f64())
        .filter(|ratio| ratio.is_finite())
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * part).round() as usize).copied()
}

/// Returns the median that criterion has written for a benchmark.
fn nanoseconds(criterion_home: &Path, group: &str, function: &str) -> String {
    let median = || {
        let folder = criterion_home.join(folder_name(group)).join(folder_name(function));
        let text = fs::read_to_string(folder.join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    median().map_or_else(|| "?".to_owned(), |median| format!("{median:.2} ns"))
}

/// Returns the name of criterion's folder for a benchmark.
fn folder_name(name: &str) -> String {
    name.replace(['?', '"', '/', '\\', '*', '<', '>', ':', '|', '^'], "_")
}

impl Outcome {
    /// Returns the result of a row that criterion has not measured. `ours` is the value as text.
    #[allow(dead_code, reason = "each bench compiles this module for itself")]
    pub fn of_value(
        name: &'static str,
        ours: String,
        value: f64,
        limits: Option<(f64, f64)>,
    ) -> Outcome {
        let quartiles = (value, value);
        Outcome { name, ours, theirs: String::new(), ratio: value, quartiles, limits }
    }

    fn verdict(&self) -> &'static str {
        match self.limits {
            None => "",
            Some((_, goal)) if self.ratio <= goal => "goal",
            Some((reach, _)) if self.ratio <= reach => "reach",
            Some(_) => "MISSED",
        }
    }
}

/// Prints the table in Markdown.
pub fn print(outcomes: &[Outcome]) {
    if outcomes.is_empty() {
        return;
    }
    let heading =
        ["what", "leno", "compared with", "ratio", "middle half", "reach", "goal", "verdict"];
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(outcomes.iter().map(|outcome| {
        let limit = |limit: Option<f64>| limit.map_or_else(String::new, |limit| limit.to_string());
        let (low, high) = outcome.quartiles;
        [
            outcome.name.to_owned(),
            outcome.ours.clone(),
            outcome.theirs.clone(),
            format!("{:.2}", outcome.ratio),
            if low == high { String::new() } else { format!("{low:.2} - {high:.2}") },
            limit(outcome.limits.map(|(reach, _)| reach)),
            limit(outcome.limits.map(|(_, goal)| goal)),
            outcome.verdict().to_owned(),
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    println!();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} "));
        println!("|{}|", cells.collect::<Vec<_>>().join("|"));
        if index == 0 {
            let rules = widths.iter().map(|width| "-".repeat(width + 2));
            println!("|{}|", rules.collect::<Vec<_>>().join("|"));
        }
    }
    println!();
}
