//! Failed executions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use super::fault::{Abort, Fault, FaultKind};
use super::schedule::{Schedule, Turn};

/// The first thing that went wrong in an execution, and the schedule that leads to it.
///
/// # Examples
///
/// ```
/// use leno::weave::{Failure, FailureKind};
///
/// let report = leno::weave::explore(|| assert_eq!(1 + 1, 3, "wrong sum"));
/// let failure: &Failure = report.failure().unwrap();
/// assert_eq!(failure.kind(), FailureKind::Panic);
/// assert!(failure.to_string().contains("wrong sum"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    /// The file and the line of a panic.
    pub(super) place: Option<(String, u32)>,
    /// The label of the green thread that panicked.
    pub(super) thread: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) count: u64,
    /// The index of the first execution that failed in this way.
    pub(super) first: u64,
}

/// The kind and the place of a failure, and the first line of its message.
type Likeness = (FailureKind, Option<(String, u32)>, Option<String>);

/// The different failures of an exploration.
#[derive(Clone, Default)]
pub(super) struct Failures {
    all: Vec<Failure>,
    /// The place of each in `all`.
    places: HashMap<Likeness, usize>,
}

impl Failures {
    pub(super) fn all(&self) -> &[Failure] {
        &self.all
    }

    /// Adds a failure, or counts it with one that is like it.
    pub(super) fn add(&mut self, failure: Failure) {
        match self.places.entry(failure.likeness()) {
            Entry::Vacant(place) => {
                place.insert(self.all.len());
                self.all.push(failure);
            }
            Entry::Occupied(place) => {
                let known = &mut self.all[*place.get()];
                known.count += failure.count;
                if failure.first < known.first {
                    let count = known.count;
                    *known = Failure { count, ..failure };
                }
            }
        }
    }

    /// Adds the failures of another part of the same exploration, and sorts all by their first
    /// execution.
    pub(super) fn merge(&mut self, other: Failures) {
        if other.all.is_empty() {
            return;
        }
        other.all.into_iter().for_each(|failure| self.add(failure));
        self.all.sort_by_key(|failure| failure.first);
        self.places.clear();
        self.places.extend(self.all.iter().map(Failure::likeness).zip(0..));
    }

    /// Moves the indices of the executions, which begin at `index` of the whole exploration.
    pub(super) fn begin_at(&mut self, index: u64) {
        self.all.iter_mut().for_each(|failure| failure.first += index);
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

/// Returns the message for an execution that did not end.
fn endless(schedule: &Schedule, steps: u64) -> String {
    const TAIL: usize = 100;
    let text = format!("the execution did not end within {steps} steps");
    let tail = &schedule.turns[schedule.turns.len().saturating_sub(TAIL)..];
    let mut turns: Vec<(String, usize)> = Vec::new();
    for turn in tail {
        let Turn::Thread(label) = turn else { continue };
        let name = label.to_string();
        match turns.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => turns.push((name, 1)),
        }
    }
    turns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match &turns[..] {
        [] => format!("{text}: one green thread goes on for ever, or max_steps is too small"),
        [(name, count), ..] if *count > tail.len() * 9 / 10 => format!(
            "{text}: {name} has nearly every turn while others could run. If it waits for them by \
             yielding, explore with `fair`, which lets them go first; otherwise raise max_steps"
        ),
        all => {
            let names: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
            format!("{text}: the last turns went to {}", names.join(", "))
        }
    }
}

/// The requirement on a program.
const REPEATABLE: &str = "It must do the same whenever it is given the same turns: nothing random, no \
                          time but leno's, and nothing kept from one execution to the next";

/// The kind of a [`Failure`].
///
/// # Examples
///
/// ```
/// use leno::weave::FailureKind;
///
/// let report = leno::weave::explore(|| leno::thread::park());
/// assert_eq!(report.failure().unwrap().kind(), FailureKind::Deadlock);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A green thread panicked, even if another one joined it and went on.
    Panic,
    /// All green threads wait for each other.
    Deadlock,
    /// The execution has more steps than [`max_steps`](super::Explorer::max_steps).
    Endless,
    /// The program behaved differently under the same schedule: it uses the system's clock or
    /// random numbers, or keeps state from one execution to the next.
    NotRepeatable,
    /// The schedule does not fit the program.
    Misfit,
    /// The program has more green threads at once than
    /// [`max_steps`](super::Explorer::max_steps), or, with
    /// [`reduced`](super::Explorer::reduced), more than 63 in all, including the main thread and
    /// threads that have ended.
    TooManyThreads,
}

impl Failure {
    /// Returns the kind of the failure.
    ///
    /// # Examples
    ///
    /// See [`FailureKind`].
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns the message of the panic, or the deadlock report.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| assert_eq!(1 + 1, 3, "wrong sum"));
    /// assert!(report.failure().unwrap().message().contains("wrong sum"));
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the schedule of the execution that failed.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| leno::thread::park());
    /// assert_eq!(report.failure().unwrap().schedule().to_string(), "");
    /// ```
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns the number of executions that failed in this way.
    ///
    /// # Examples
    ///
    /// ```
    /// let report = leno::weave::explore(|| leno::thread::park());
    /// assert_eq!(report.failure().unwrap().count(), 1);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn of_fault(fault: Fault, schedule: Schedule, thread: Option<String>) -> Failure {
        let kind = match fault.kind {
            FaultKind::Panic => FailureKind::Panic,
            FaultKind::Deadlock => FailureKind::Deadlock,
        };
        let Fault { message, place, .. } = fault;
        Failure { kind, message, place, thread, schedule, count: 1, first: 0 }
    }

    /// Returns the failure of an aborted execution; `None` if the execution was redundant.
    pub(super) fn of_abort(abort: &Abort, schedule: Schedule, steps: u64) -> Option<Failure> {
        let (kind, message) = match abort {
            Abort::Redundant => return None,
            Abort::Endless => (FailureKind::Endless, endless(&schedule, steps.saturating_sub(1))),
            Abort::Differs { after } => (
                FailureKind::NotRepeatable,
                format!(
                    "the program does not repeat itself: at choice {} of the run, others could run \
                     than before. {REPEATABLE}",
                    after + 1
                ),
            ),
            Abort::OtherValue => (
                FailureKind::NotRepeatable,
                format!(
                    "the program does not repeat itself: it returned something else when it was run \
                     a second time under the same schedule. {REPEATABLE}"
                ),
            ),
            Abort::Misfit(why) => {
                (FailureKind::Misfit, format!("the schedule does not fit the program: {why}"))
            }
            Abort::TooManyAtOnce => (
                FailureKind::TooManyThreads,
                "the program has more green threads at once than the steps that an execution may \
                 have: if it should end, raise max_steps"
                    .to_owned(),
            ),
            Abort::TooMany => (
                FailureKind::TooManyThreads,
                "the program has more than 63 green threads, those that have ended among them, \
                 which a reduced exploration cannot tell apart: explore without `reduced`, or at \
                 random"
                    .to_owned(),
            ),
        };
        Some(Failure { kind, message, place: None, thread: None, schedule, count: 1, first: 0 })
    }

    /// Returns `true` if this is the same failure in another execution.
    pub(super) fn is_like(&self, other: &Failure) -> bool {
        self.likeness() == other.likeness()
    }

    /// Returns what it has in common with the same failure in another execution.
    fn likeness(&self) -> Likeness {
        // The last turns differ each time.
        let says = (self.kind != FailureKind::Endless).then(|| self.message.lines().next());
        (self.kind, self.place.clone(), says.flatten().map(str::to_owned))
    }

    /// Returns the failure in one line.
    pub(super) fn title(&self) -> String {
        let message = self.message.lines().next().unwrap_or_default();
        match (self.kind, &self.place) {
            (FailureKind::Panic, Some((file, line))) => {
                format!("panic at {file}:{line}: {message}")
            }
            (FailureKind::Panic, None) => format!("panic: {message}"),
            _ => message.to_owned(),
        }
    }
}

/// Prints the message and the schedule.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(thread) = &self.thread {
            write!(f, "{thread}: ")?;
        }
        match (self.kind, &self.place) {
            (FailureKind::Panic, Some((file, line))) => {
                write!(f, "panic at {file}:{line}: {}", self.message)?;
            }
            (FailureKind::Panic, None) => write!(f, "panic: {}", self.message)?,
            _ => f.write_str(&self.message)?,
        }
        write!(f, "\nschedule: {}", self.schedule)
    }
}
