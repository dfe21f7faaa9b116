//! The report of an exploration.

use std::collections::BTreeMap;
use std::fmt;

use super::executor::{ExecutionEnd, Executor};
use super::failure::{Failure, Failures};
use super::fault::Abort;
use super::schedule::Schedule;

/// The result of an exploration of a program that returns a `T`.
///
/// It prints as a table: each outcome with its number of executions and one schedule, then the
/// failures.
///
/// # Examples
///
/// ```
/// use leno::weave::{Report, Shared};
///
/// let report: Report<u32> = leno::weave::explore(|| {
///     let last = Shared::new(0);
///     leno::scope(|scope| {
///         scope.spawn(|| last.set(1));
///         scope.spawn(|| last.set(2));
///     });
///     last.into_inner()
/// });
/// assert_eq!(report.to_string(), "\
/// 2 executions, 2 outcomes
///   1 x  1  B1
///   1 x  2  A1");
/// ```
#[derive(Clone, Debug)]
pub struct Report<T> {
    pub(super) executions: u64,
    pub(super) redundant: u64,
    pub(super) outcomes: BTreeMap<T, Outcome>,
    pub(super) failures: Failures,
    pub(super) is_complete: bool,
    pub(super) steps: u64,
}

/// The executions that returned the same value.
///
/// # Examples
///
/// ```
/// let report = leno::weave::explore(|| 7);
/// assert_eq!(report.outcomes()[&7].count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) count: u64,
    pub(super) schedule: Schedule,
    /// The index of the first of these executions.
    pub(super) first: u64,
}

impl Outcome {
    /// Returns the number of executions that returned the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| 7);
    /// assert_eq!(report.outcomes()[&7].count(), 1);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the schedule of the first execution that returned the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let program = || 7;
    /// let report = leno::weave::explore(program);
    /// let schedule = report.outcomes()[&7].schedule();
    /// assert_eq!(leno::weave::replay(schedule, program), 7);
    /// ```
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
            failures: Failures::default(),
            is_complete: false,
            steps: 0,
        }
    }

    /// Returns the number of executions, failed ones included.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::weave::explore(|| ()).executions(), 1);
    /// ```
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// Returns the number of further executions that were begun and aborted, since all
    /// executions that they could lead to had been explored already. Zero unless
    /// [`reduced`](super::Explorer::reduced).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::weave::explore(|| ()).redundant(), 0);
    /// ```
    #[must_use]
    pub fn redundant(&self) -> u64 {
        self.redundant
    }

    /// Returns the number of steps of all executions. A step is what a green thread does between
    /// two switches.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| leno::spawn(|| 1).join().unwrap());
    /// assert!(report.steps() >= 2);
    /// ```
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns each value that the program has returned, in order, with the number of executions
    /// that returned it and the schedule of the first of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| 7);
    /// assert_eq!(report.outcomes().keys().copied().collect::<Vec<_>>(), [7]);
    /// ```
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<T, Outcome> {
        &self.outcomes
    }

    /// Returns the first failure: a panic in any green thread, a deadlock, an execution without
    /// end, or a program that does not repeat itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::FailureKind;
    ///
    /// let report = leno::weave::explore(|| leno::thread::park());
    /// assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failures.all().first()
    }

    /// Returns all failures with different messages, each with the number of executions that
    /// failed in this way.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| assert_eq!(1 + 1, 3));
    /// assert_eq!(report.failures().len(), 1);
    /// ```
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        self.failures.all()
    }

    /// Returns `true` if all executions of the program were explored. Returns `false` if a limit
    /// ended the exploration, or if executions were drawn at random.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// assert!(Explorer::new().explore(|| ()).is_complete());
    /// assert!(!Explorer::new().random(1).explore(|| ()).is_complete());
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns `true` if no execution was aborted.
    pub(super) fn has_all(&self) -> bool {
        use super::failure::FailureKind::{Deadlock, Panic};
        self.failures.all().iter().all(|failure| matches!(failure.kind, Deadlock | Panic))
    }

    /// Adds an execution.
    #[inline(always)]
    pub(super) fn add(&mut self, executor: &Executor, end: ExecutionEnd<T>) {
        self.steps += executor.steps();
        match end {
            ExecutionEnd::Returned(value) => {
                self.executions += 1;
                let index = executor.index();
                self.add_value(value, index, || executor.controller.borrow().schedule());
            }
            end => self.add_without_value(executor, end),
        }
    }

    /// Adds an execution that has no value.
    #[cold]
    #[inline(never)]
    fn add_without_value(&mut self, executor: &Executor, end: ExecutionEnd<T>) {
        match end {
            ExecutionEnd::Aborted(Abort::Redundant) => self.redundant += 1,
            end => {
                self.executions += 1;
                if let Err(failure) = executor.failure_of(end) {
                    self.failures.add(*failure);
                }
            }
        }
    }

    fn add_value(&mut self, value: T, first: u64, schedule: impl FnOnce() -> Schedule) {
        match self.outcomes.get_mut(&value) {
            Some(outcome) => outcome.count += 1,
            None => {
                let outcome = Outcome { count: 1, schedule: schedule(), first };
                self.outcomes.insert(value, outcome);
            }
        }
    }

    /// Moves the indices of the executions, which begin at `index` of the whole exploration.
    pub(super) fn begin_at(&mut self, index: u64) {
        self.outcomes.values_mut().for_each(|outcome| outcome.first += index);
        self.failures.begin_at(index);
    }

    /// Adds the report of another part of the same exploration.
    pub(super) fn merge(&mut self, other: Report<T>) {
        self.executions += other.executions;
        self.redundant += other.redundant;
        self.steps += other.steps;
        for (value, outcome) in other.outcomes {
            match self.outcomes.get_mut(&value) {
                Some(known) => {
                    known.count += outcome.count;
                    if outcome.first < known.first {
                        known.first = outcome.first;
                        known.schedule = outcome.schedule;
                    }
                }
                None => {
                    self.outcomes.insert(value, outcome);
                }
            }
        }
        self.failures.merge(other.failures);
    }
}

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
        for failure in self.failures.all() {
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

/// Formats a number in groups of three digits: 1680 as "1,680".
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
