//! Pairs of measurements, and the table of their ratios.
//!
//! The speed of a machine drifts, by more than what there is to tell apart. So
//! the two sides of a row take turns: each sample of one has a sample of the
//! other right beside it, and the ratio is the median of the ratios of the pairs.
//!
//! A switch writes to the stack, and takes a cycle more or less with where on a
//! cache line that is: the luck of a whole process. So every pair is measured at
//! another depth of the stack.

use std::cell::{Cell, RefCell};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use crate::work::Work;

/// A row of the table: what is measured, what it is compared with, and how large
/// the ratio may be.
pub struct Row {
    /// Also the name of criterion's group.
    pub name: &'static str,
    pub ours: (&'static str, Work),
    pub theirs: (&'static str, Work),
    /// No more than this, and better no more than that. `None` for a row that
    /// only shows something.
    pub limits: Option<(f64, f64)>,
}

/// One sample of each side, of the same number of operations.
struct Pair {
    operations: u64,
    ours: Duration,
    theirs: Duration,
}

/// What one row came to.
pub struct Outcome {
    name: &'static str,
    ours: String,
    theirs: String,
    ratio: f64,
    quartiles: (f64, f64),
    limits: Option<(f64, f64)>,
}

/// Measures a row with criterion, as two benchmarks. Each of them runs both
/// sides and gives criterion the time of one.
///
/// `None` if criterion did not measure it: it was filtered out, or only tested.
pub fn measure(criterion: &mut Criterion, criterion_home: &Path, row: &Row) -> Option<Outcome> {
    let pairs = RefCell::new(Vec::new());
    let sides = Cell::new(0);
    let mut group = criterion.benchmark_group(row.name);
    // Every sample has the same number of operations, so every ratio counts alike.
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

/// Has both sides do so many operations, in short turns, and gives the sums. Short,
/// because a machine that has other things to do takes away milliseconds at a
/// time: then a few pairs are spoilt, which the median does not see, and not all.
fn take_turns(row: &Row, operations: u64, pairs: &mut Vec<Pair>) -> Pair {
    let turns = (operations / LEAST_OPERATIONS).clamp(1, MOST_TURNS);
    let mut sum = Pair { operations: 0, ours: Duration::ZERO, theirs: Duration::ZERO };
    for turn in 0..turns {
        let operations = (operations - sum.operations) / (turns - turn);
        let depth = pairs.len() % DEPTHS;
        let (ours, theirs);
        // Neither is always the first.
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

/// What criterion asks for is done in no more turns than this ...
const MOST_TURNS: u64 = 33;
/// ... and in none that are shorter than this.
const LEAST_OPERATIONS: u64 = 20_000;

/// Stacks are aligned to 16 bytes, a cache line has 64, and lines come in pairs.
const DEPTHS: usize = 8;

/// Does the work so many frames deeper. A frame is an odd number of 16 bytes, so
/// that the depths meet every alignment.
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

/// The ratios of the pairs, sorted. The short runs with which criterion warms up
/// are left out, and so is a test run, which has nothing else.
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

/// The median that criterion has written for a benchmark.
fn nanoseconds(criterion_home: &Path, group: &str, function: &str) -> String {
    let median = || {
        let folder = criterion_home.join(folder_name(group)).join(folder_name(function));
        let text = fs::read_to_string(folder.join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    median().map_or_else(|| "?".to_owned(), |median| format!("{median:.2} ns"))
}

/// As criterion names its folders.
fn folder_name(name: &str) -> String {
    name.replace(['?', '"', '/', '\\', '*', '<', '>', ':', '|', '^'], "_")
}

impl Outcome {
    /// A row that was not measured by criterion: `ours` in words.
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
