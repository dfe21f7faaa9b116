//! The table: the number of executions that each strategy needs to the first failure of
//! each program. `docs/GALLERY.md` has the output of
//! `LENO_GALLERY=10000 cargo test --release --test weave table -- --nocapture`.

use std::cell::Cell;
use std::env;

use leno::weave::Explorer;

use super::{Bug, all, safe_stack};

/// The maximum number of executions, unless `LENO_GALLERY` sets it.
const DEFAULT_BOUND: u64 = 100;

/// The number of seeds of each random strategy. The table has the median.
const SEEDS: u64 = 5;

/// A column: the executions to the first failure, if there are no more than the bound.
type Strategy = (&'static str, fn(&Search) -> Option<String>);

const STRATEGIES: [Strategy; 8] = [
    ("exhaustive", |search| search.once(|explorer| explorer)),
    ("reduced", |search| search.once(Explorer::reduced)),
    ("switches", Search::by_switches),
    ("random", |search| search.median(|explorer, seed| explorer.random(seed))),
    ("uniform", |search| search.median(|explorer, seed| explorer.uniform(seed))),
    ("pct 2", |search| search.median(|explorer, seed| explorer.pct(seed, 2))),
    ("pct 3", |search| search.median(|explorer, seed| explorer.pct(seed, 3))),
    ("portfolio", |search| search.median(|explorer, seed| explorer.portfolio(seed))),
];

/// The bug, and the maximum number of executions.
struct Search {
    bug: &'static Bug,
    bound: u64,
}

impl Search {
    fn executions(&self, explorer: Explorer, most: u64) -> Option<u64> {
        let found = explorer.max_executions(most).first_failure(self.bug.wrong);
        // A strategy also fails if there are more green threads than it can handle.
        let (_, executions) = found.filter(|(failure, _)| self.bug.is(failure))?;
        // A reduced search counts abandoned executions, and bounds only the others.
        (executions <= self.bound).then_some(executions)
    }

    fn once(&self, kind: fn(Explorer) -> Explorer) -> Option<String> {
        let found = self.executions(kind(self.bug.explorer()), self.bound)?;
        Some(found.to_string())
    }

    /// Returns the median over the seeds. A bug that is not found sorts last.
    fn median(&self, kind: fn(Explorer, u64) -> Explorer) -> Option<String> {
        let search = |seed| self.executions(kind(self.bug.explorer(), seed), self.bound);
        let mut found: Vec<Option<u64>> = (1..=SEEDS).map(search).collect();
        found.sort_by_key(|executions| executions.unwrap_or(u64::MAX));
        found[found.len() / 2].map(|executions| executions.to_string())
    }

    /// Searches with no switch, then with one, and so on. Returns the executions in
    /// total, and the number of switches of the failure.
    fn by_switches(&self) -> Option<String> {
        let mut before = 0;
        for switches in 0.. {
            let explorer = self.bug.explorer().max_switches(switches);
            let left = self.bound - before;
            let begun = Cell::new(0);
            let program = || {
                begun.set(begun.get() + 1);
                (self.bug.wrong)();
            };
            let found = explorer.max_executions(left).first_failure(program);
            if let Some((_, executions)) = found.filter(|(failure, _)| self.bug.is(failure)) {
                return Some(format!("{} ({switches})", before + executions));
            }
            before += begun.get();
            if before >= self.bound {
                return None;
            }
        }
        None
    }
}

/// Prints rows of cells as a Markdown table.
fn print(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names are aligned to the left, numbers to the right.
            let cell = match column {
                0 => format!("| {cell:width$} "),
                _ => format!("| {cell:>width$} "),
            };
            line.push_str(&cell);
        }
        println!("{line}|");
        if index == 0 {
            let rule = |(column, width): (usize, &usize)| match column {
                0 => format!("| {} ", "-".repeat(*width)),
                _ => format!("| {}: ", "-".repeat(width - 1)),
            };
            println!("{}|", widths.iter().enumerate().map(rule).collect::<String>());
        }
    }
}

#[test]
fn table() {
    let bound = env::var("LENO_GALLERY").map_or(DEFAULT_BOUND, |text| {
        text.parse().expect("LENO_GALLERY is the maximum number of executions")
    });
    let mut header = vec!["program".to_owned()];
    header.extend(STRATEGIES.map(|(name, _)| name.to_owned()));
    let mut rows = vec![header];
    let mut missed = Vec::new();
    for bug in all().chain([&safe_stack::BUG]) {
        let search = Search { bug, bound };
        let found = STRATEGIES.map(|(_, strategy)| strategy(&search));
        if found.iter().all(Option::is_none) {
            missed.push(bug.name);
        }
        let mut row = vec![bug.name.to_owned()];
        row.extend(found.map(|cell| cell.unwrap_or_else(|| "-".to_owned())));
        rows.push(row);
    }
    print(&rows);
    // Programs with many threads need the right thread at the right step.
    let rare = [safe_stack::BUG.name, "reorder_20", "twostage_20", "twostage_100"];
    missed.retain(|name| !rare.contains(name));
    assert!(missed.is_empty(), "no strategy finds {missed:?} in {bound} executions");
}
