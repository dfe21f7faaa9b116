//! What can go wrong in an execution.

use std::fmt;

use super::controller::{Cut, What, Wrong};
use super::schedule::{Schedule, Turn};

/// What went wrong first in an execution, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    /// The file and the line of a panic.
    pub(super) place: Option<(String, u32)>,
    /// Who panicked.
    pub(super) thread: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) count: u64,
    /// The index of the first execution that failed so.
    pub(super) first: u64,
}

/// What is said of an execution that did not end.
fn endless(schedule: &Schedule, steps: u64) -> String {
    const TAIL: usize = 100;
    let text = format!("the execution did not end within {steps} steps");
    let tail = &schedule.turns[schedule.turns.len().saturating_sub(TAIL)..];
    let mut who: Vec<(String, usize)> = Vec::new();
    for turn in tail {
        let Turn::Thread(thread) = turn else { continue };
        let name = thread.to_string();
        match who.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => who.push((name, 1)),
        }
    }
    who.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match &who[..] {
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

/// What a program must be like.
const REPEATABLE: &str = "It must do the same whenever it is given the same turns: nothing random, no \
                          time but leno's, and nothing kept from one execution to the next";

/// Of which kind a [`Failure`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A green thread has panicked; also if somebody has joined it and gone on.
    Panic,
    /// All wait for each other.
    Deadlock,
    /// The execution has more steps than it may have
    /// ([`max_steps`](super::Explorer::max_steps)).
    Endless,
    /// The program did something else under the same schedule: it asks the system's
    /// clock or a random number, or keeps something from one execution to the next.
    NotRepeatable,
    /// The schedule does not fit the program.
    Misfit,
    /// More green threads at once than an execution may have steps
    /// ([`max_steps`](super::Explorer::max_steps)), or, with
    /// [`reduced`](super::Explorer::reduced), more than 63 in all, the main one and
    /// those that have ended among them.
    TooManyThreads,
}

impl Failure {
    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What the panic said, or the report of the deadlock.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The execution that failed.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many executions failed so.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn of_wrong(wrong: Wrong, schedule: Schedule, thread: Option<String>) -> Failure {
        let kind = match wrong.what {
            What::Panic => FailureKind::Panic,
            What::Deadlock => FailureKind::Deadlock,
        };
        let Wrong { message, place, .. } = wrong;
        Failure { kind, message, place, thread, schedule, count: 1, first: 0 }
    }

    /// `None` for an execution that was given up for the sake of another.
    pub(super) fn of_cut(cut: &Cut, schedule: Schedule, steps: u64) -> Option<Failure> {
        let (kind, message) = match cut {
            Cut::Redundant => return None,
            Cut::Endless => (FailureKind::Endless, endless(&schedule, steps.saturating_sub(1))),
            Cut::Differs { after } => (
                FailureKind::NotRepeatable,
                format!(
                    "the program does not repeat itself: at choice {} of the run, others could run \
                     than before. {REPEATABLE}",
                    after + 1
                ),
            ),
            Cut::OtherValue => (
                FailureKind::NotRepeatable,
                format!(
                    "the program does not repeat itself: it returned something else when it was run \
                     a second time under the same schedule. {REPEATABLE}"
                ),
            ),
            Cut::Misfit(why) => {
                (FailureKind::Misfit, format!("the schedule does not fit the program: {why}"))
            }
            Cut::TooManyAtOnce => (
                FailureKind::TooManyThreads,
                "the program has more green threads at once than the steps that an execution may \
                 have: if it should end, raise max_steps"
                    .to_owned(),
            ),
            Cut::TooMany => (
                FailureKind::TooManyThreads,
                "the program has more than 63 green threads, those that have ended among them, \
                 which a reduced exploration cannot tell apart: explore without `reduced`, or at \
                 random"
                    .to_owned(),
            ),
        };
        Some(Failure { kind, message, place: None, thread: None, schedule, count: 1, first: 0 })
    }

    /// Is it the same, in another execution?
    pub(super) fn is_like(&self, other: &Failure) -> bool {
        let first = |text: &str| text.lines().next().map(str::to_owned);
        let says_the_same = || first(&self.message) == first(&other.message);
        self.kind == other.kind
            && self.place == other.place
            // Who has the turns in the end is different each time.
            && (self.kind == FailureKind::Endless || says_the_same())
    }

    /// In one line.
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

/// What went wrong, and the schedule.
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
