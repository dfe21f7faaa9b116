//! What an exploration has found.

use std::collections::BTreeMap;
use std::fmt;

use super::failure::Failure;
use super::schedule::Schedule;

/// All that an exploration has seen of a program that returns a `T`.
#[derive(Clone, Debug)]
pub struct Report<T> {
    pub(super) executions: u64,
    pub(super) redundant: u64,
    pub(super) outcomes: BTreeMap<T, Outcome>,
    pub(super) failures: Vec<Failure>,
    pub(super) is_complete: bool,
    pub(super) steps: u64,
}

/// One value that the program returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) count: u64,
    pub(super) schedule: Schedule,
    /// The index of the first execution that gave it.
    pub(super) first: u64,
}

impl Outcome {
    /// How many executions gave it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first of them.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

impl<T: Ord> Report<T> {
    pub(super) fn new() -> Report<T> {
        Report {
            executions: 0,
            redundant: 0,
            outcomes: BTreeMap::new(),
            failures: Vec::new(),
            is_complete: false,
            steps: 0,
        }
    }

    /// How many executions were run, failed ones included.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// How many more were begun and given up, since all that they could lead to had
    /// been tried already. None unless
    /// [`reduced`](super::Explorer::reduced).
    #[must_use]
    pub fn redundant(&self) -> u64 {
        self.redundant
    }

    /// How many steps were run in all: a step is what a green thread does between
    /// two switches.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Each value that the program has returned, in order, with the number of
    /// executions that gave it and the first of them.
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<T, Outcome> {
        &self.outcomes
    }

    /// The first failure: a panic in any green thread, a deadlock, an execution
    /// without end, or a program that does not repeat itself.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failures.first()
    }

    /// All failures that differ in what they say, with the number of executions
    /// that failed so.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Were all executions tried that there are? Not if a bound was met, or if they
    /// were drawn by chance.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Has no execution been cut short?
    pub(super) fn has_all(&self) -> bool {
        use super::failure::FailureKind::{Deadlock, Panic};
        self.failures.iter().all(|failure| matches!(failure.kind, Deadlock | Panic))
    }

    pub(super) fn add_value(&mut self, value: T, first: u64, schedule: impl FnOnce() -> Schedule) {
        match self.outcomes.get_mut(&value) {
            Some(outcome) => outcome.count += 1,
            None => {
                let outcome = Outcome { count: 1, schedule: schedule(), first };
                self.outcomes.insert(value, outcome);
            }
        }
    }

    pub(super) fn add_failure(&mut self, failure: Failure) {
        match self.failures.iter_mut().find(|known| known.is_like(&failure)) {
            Some(known) => {
                known.count += failure.count;
                if failure.first < known.first {
                    let count = known.count;
                    *known = Failure { count, ..failure };
                }
            }
            None => self.failures.push(failure),
        }
    }

    /// The executions begin at this index of the whole exploration.
    pub(super) fn begin_at(&mut self, index: u64) {
        self.outcomes.values_mut().for_each(|outcome| outcome.first += index);
        self.failures.iter_mut().for_each(|failure| failure.first += index);
    }

    /// Adds what another part of the same exploration has found.
    pub(super) fn merge(&mut self, other: Report<T>) {
        self.executions += other.executions;
        self.redundant += other.redundant;
        self.steps += other.steps;
        for (value, outcome) in other.outcomes {
            match self.outcomes.get_mut(&value) {
                Some(own) => {
                    own.count += outcome.count;
                    if outcome.first < own.first {
                        own.first = outcome.first;
                        own.schedule = outcome.schedule;
                    }
                }
                None => {
                    self.outcomes.insert(value, outcome);
                }
            }
        }
        for failure in other.failures {
            self.add_failure(failure);
        }
        self.failures.sort_by_key(|failure| failure.first);
    }
}

/// A table: each outcome, how often, and one schedule that gives it; then the
/// failures.
impl<T: fmt::Debug> fmt::Display for Report<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{} {noun}s", grouped(count)),
        };
        write!(
            f,
            "{}, {}{}",
            plural(self.executions, "execution"),
            plural(self.outcomes.len() as u64, "outcome"),
            if self.is_complete { "" } else { " (not all there are)" }
        )?;
        let mut rows: Vec<[String; 3]> = Vec::new();
        for (value, outcome) in &self.outcomes {
            rows.push([grouped(outcome.count), format!("{value:?}"), outcome.schedule.to_string()]);
        }
        for failure in &self.failures {
            rows.push([grouped(failure.count), failure.title(), failure.schedule.to_string()]);
        }
        let width =
            |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (counts, values) = (width(0), width(1));
        for [count, value, schedule] in &rows {
            let line = format!("  {count:>counts$} x  {value:values$}  {schedule}");
            write!(f, "\n{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `1680` as "1,680".
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
