//! The content of a story, before it becomes text or a picture.

use super::line::{Part, Threads};
use super::narration::Narration;
use crate::weave::failure::{Failure, FailureKind};
use crate::weave::recording::{Actor, End, Recording};
use crate::weave::report::grouped;
use crate::weave::schedule::Schedule;

#[derive(Clone)]
pub(super) struct Content {
    pub(super) schedule: Schedule,
    pub(super) failure: Option<Failure>,
    pub(super) recording: Recording,
    pub(super) threads: Threads,
    /// The index of the step that went wrong.
    pub(super) wrong: Option<usize>,
    /// The index of the step from which every continuation fails, if the other executions are known.
    pub(super) lost: Option<usize>,
}

impl Content {
    pub(super) fn new(
        schedule: Schedule,
        failure: Option<Failure>,
        recording: Recording,
        threads: Threads,
    ) -> Content {
        let wrong = failure.as_ref().and_then(|failure| wrong_step(failure, &recording));
        Content { schedule, failure, recording, threads, wrong, lost: None }
    }

    /// Returns the failure in one line, followed by the other lines of a panic message.
    pub(super) fn title(&self) -> String {
        let Some(failure) = &self.failure else { return String::new() };
        let thread = failure.thread.as_ref();
        let thread = thread.map_or_else(String::new, |label| format!("{label}: "));
        let rest = failure.message.split_once('\n').map_or("", |(_, rest)| rest);
        match (failure.kind, self.recording.cycles.as_slice()) {
            (FailureKind::Panic, _) if !rest.is_empty() => {
                format!("{thread}{}\n{rest}", failure.title())
            }
            (FailureKind::Deadlock, [cycle, ..]) => {
                let names: Vec<&str> =
                    cycle.iter().map(|(number, _)| self.threads.label(*number)).collect();
                match names.as_slice() {
                    [only] => format!("deadlock: {only} waits for itself"),
                    [most @ .., last] => {
                        format!("deadlock: {} and {last} wait for each other", most.join(", "))
                    }
                    [] => failure.title(),
                }
            }
            (FailureKind::Deadlock, []) => "deadlock: every green thread waits".to_owned(),
            _ => thread + &failure.title(),
        }
    }

    /// Returns the line that shows the schedule, shortened to a readable length.
    pub(super) fn schedule_line(&self) -> String {
        const MOST: usize = 400;
        let schedule = self.schedule.to_string();
        match schedule.char_indices().nth(MOST) {
            Some((end, _)) => {
                let turns = grouped(self.schedule.turns() as u64);
                let start = schedule[..end].rsplit_once(' ').map_or("", |(start, _)| start);
                format!("schedule: {start} … ({turns} turns in all)")
            }
            None if schedule.is_empty() => "schedule: none, first come, first served".to_owned(),
            None => format!("schedule: {schedule}"),
        }
    }

    /// Returns the parts of the story, in about `rows` lines.
    pub(super) fn parts(&self, rows: usize) -> Vec<Part> {
        let is_endless =
            self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Endless);
        Narration::new(&self.recording, &self.threads, self.wrong, self.lost)
            .parts(is_endless, rows.max(10))
    }
}

/// Returns the index of the step that went wrong.
fn wrong_step(failure: &Failure, recording: &Recording) -> Option<usize> {
    let mut steps = recording.steps();
    match failure.kind {
        FailureKind::Panic => recording.wrong,
        // The last green thread that began to wait.
        FailureKind::Deadlock => steps.rposition(|step| {
            matches!(step.actor, Actor::Thread(_)) && matches!(step.end, Some(End::Waits(..)))
        }),
        FailureKind::Misfit => steps.len().checked_sub(1),
        _ => None,
    }
}
