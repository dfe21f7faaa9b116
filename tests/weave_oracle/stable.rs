//! Explorations have the same results on every architecture.

use std::fmt::Write;

use leno::weave::{Explorer, Report};

use crate::generate::{self, Mix, Subject};
use crate::interpret::{self, CellKind};
use crate::program::Logs;

/// The recorded hash of all results. A difference on one architecture only is a bug.
/// After a change of the explorations, which gives a difference on all, the test prints
/// the new value.
const RECORDED: u64 = 16_608_283_867_019_647_577;

const MIX: Mix = Mix {
    subjects: &[
        Subject::Yields,
        Subject::Cells,
        Subject::Mutexes,
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

/// A linear congruential generator (Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn list(&mut self, most: u32) -> Vec<u32> {
        (0..=self.next() % most).map(|_| self.next()).collect()
    }
}

/// Appends all results in the report that do not depend on source positions.
fn add(text: &mut String, report: &Report<Logs>) {
    let (executions, redundant, steps) = (report.executions(), report.redundant(), report.steps());
    let _ = writeln!(text, "{executions} {redundant} {steps} {}", report.is_complete());
    for (value, outcome) in report.outcomes() {
        let _ = writeln!(text, "{value:?} {} {}", outcome.count(), outcome.schedule());
    }
    for failure in report.failures() {
        let said = failure.message().lines().next().unwrap_or_default();
        let (kind, count) = (failure.kind(), failure.count());
        let _ = writeln!(text, "{kind:?} {said} {count} {}", failure.schedule());
    }
}

/// Returns the FNV-1a hash of the text.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn explorations_are_the_same_on_every_architecture() {
    let bounded = Explorer::new().max_executions(200);
    let explorers = [
        bounded.clone(),
        bounded.clone().preemptive(),
        bounded.clone().fair(),
        bounded.clone().timed(),
        bounded.clone().reduced(),
        bounded.clone().reduced().preemptive(),
        bounded.clone().reduced().timed(),
        bounded.clone().max_executions(20).random(1),
        bounded.clone().max_executions(20).uniform(2),
        bounded.clone().max_executions(20).preemptive().pct(3, 3),
        bounded.max_executions(20).portfolio(4),
    ];
    let mut numbers = Numbers(1);
    let mut text = String::new();
    for _ in 0..20 {
        let settings = u64::from(numbers.next()) << 32 | u64::from(numbers.next());
        let main = numbers.list(3);
        let threads: Vec<Vec<u32>> = (0..=numbers.next() % 3).map(|_| numbers.list(4)).collect();
        let closure =
            interpret::closure(&generate::decode(MIX, settings, &main, &threads), CellKind::Shared);
        for explorer in &explorers {
            add(&mut text, &explorer.explore(&closure));
        }
    }
    let lines = text.lines().count();
    assert!(lines > 500, "{lines}");
    assert_eq!(hash(&text), RECORDED, "{lines} lines");
}
