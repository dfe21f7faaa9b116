//! Stories: what happened in one execution, told for people.

mod fold;
mod layout;
mod picture;
mod scene;
mod source;
mod teller;
mod text;
mod width;

use std::fmt;
use std::io::IsTerminal;
use std::panic::{self, AssertUnwindSafe};

use super::drive::outside_of_runtimes;
use super::engine::Strategy;
use super::explorer::Explorer;
use super::failure::{Failure, FailureKind};
use super::recording::{Actor, End, Recording};
use super::replay::Replay;
use super::report::grouped;
use super::schedule::Schedule;
use teller::{Cast, Part, Teller};

/// As wide as the text is if nothing else is said, and as long, about.
const COLUMNS: usize = 100;
const ROWS: usize = 150;

/// One execution of a program, step by step: who did what, on which line of the
/// source.
///
/// It prints as columns of text, one for each green thread, time going down; as a
/// picture, it is [an SVG](Story::to_svg). `{:#}` prints it in the colours of a
/// terminal.
///
/// - A step is what a green thread does between two switches. The number beside it
///   is that of the turn of the [`Schedule`] that it took; a step that has a dot
///   took none, since nobody else could run.
/// - A step says what was done to primitives of leno and to
///   [`Shared`](super::Shared) values. Of one that did nothing to them, the lines
///   between where it began and where it ended are shown as they stand in the
///   source; which way the code took among them, nobody has seen.
/// - The source is looked for from the working directory and from
///   `CARGO_MANIFEST_DIR` upwards. Without it, there are just numbers of lines.
/// - Steps that are repeated again and again are told once, and of a long story the
///   middle is left out. It says so.
///
/// # Examples
///
/// ```
/// use leno::weave::{Explorer, Shared};
///
/// fn program() {
///     let total = Shared::new(0);
///     leno::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| total.set(total.get() + 1));
///         }
///     });
///     assert_eq!(total.get(), 2, "an update was lost");
/// }
///
/// let story = leno::weave::story("preemptive: A1 B1 A1", program);
/// assert_eq!(story.failure().unwrap().message().lines().count(), 3);
/// println!("{story}");
/// ```
#[derive(Clone)]
pub struct Story {
    schedule: Schedule,
    failure: Option<Failure>,
    recording: Recording,
    cast: Cast,
    /// Which step went wrong.
    wrong: Option<usize>,
}

impl Explorer {
    /// Runs the program under one schedule, and tells what happened, whatever that
    /// is: also if the program fails, if it does not end, or if the schedule does
    /// not fit it.
    ///
    /// # Panics
    ///
    /// If the schedule is no schedule. Inside a runtime.
    #[track_caller]
    pub fn story<S, F, T>(&self, schedule: S, program: F) -> Story
    where
        S: TryInto<Schedule, Error: fmt::Display>,
        F: Fn() -> T,
    {
        outside_of_runtimes("leno::weave::story");
        let schedule: Schedule = match schedule.try_into() {
            Ok(schedule) => schedule,
            Err(error) => panic!("{error}"),
        };
        let rules = schedule.rules;
        let replay = Strategy::Replay(Replay::new(schedule.clone(), false));
        let mut session = self.session(replay, rules);
        session.engine.borrow_mut().recording = Some(Box::default());
        let engine = session.engine.clone();
        let ran = session.run(&|| {
            let result = panic::catch_unwind(AssertUnwindSafe(&program));
            if let Some(recording) = &mut engine.borrow_mut().recording {
                match &result {
                    Ok(_) => recording.returned(),
                    Err(payload) if crate::kernel::is_unwinding(payload) => recording.unwound(),
                    // The engine is told of a panic.
                    Err(_) => {}
                }
            }
            result.unwrap_or_else(|payload| panic::resume_unwind(payload))
        });
        let failure = session.failure_of(ran).err().map(|failure| *failure);
        let mut engine = engine.borrow_mut();
        let mut recording = *engine.recording.take().expect("it was put there");
        recording.finish();
        let mut numbers = vec![1];
        numbers.extend(recording.spawned.iter().map(|(number, _)| *number));
        let labels = numbers.iter().map(|&number| engine.names.label(number)).collect();
        let wrong = failure.as_ref().and_then(|failure| wrong_step(failure, &recording));
        Story { schedule, failure, recording, cast: Cast { numbers, labels }, wrong }
    }
}

/// Which step it was.
fn wrong_step(failure: &Failure, recording: &Recording) -> Option<usize> {
    let mut steps = recording.steps();
    match failure.kind {
        FailureKind::Panic => recording.wrong,
        // The last one to come to wait.
        FailureKind::Deadlock => steps.rposition(|step| {
            matches!(step.actor, Actor::Thread(_)) && matches!(step.end, Some(End::Waits(..)))
        }),
        FailureKind::Misfit => steps.len().checked_sub(1),
        _ => None,
    }
}

impl Story {
    /// What went wrong, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The schedule that was followed.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many steps there are: what one green thread does between two switches is
    /// one.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.recording.order().len()
    }

    /// The story as text in `columns`, or 60 if that is more, and in about `rows`
    /// lines for steps.
    #[must_use]
    pub fn text(&self, columns: usize, rows: usize) -> String {
        text::text(self, columns, rows, false)
    }

    /// The story as text in the colours of a terminal.
    #[must_use]
    pub fn coloured(&self) -> String {
        text::text(self, COLUMNS, ROWS, true)
    }

    /// The story as a picture: an SVG that needs nothing else, for a report of a bug
    /// or a browser; it is readable on white and on black. The middle of a long story
    /// is left out.
    #[must_use]
    pub fn to_svg(&self) -> String {
        picture::draw(self)
    }

    /// The story for standard error: in colours if that is a terminal, and if
    /// `NO_COLOR` is not set.
    pub(super) fn for_stderr(&self) -> String {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        text::text(self, COLUMNS, ROWS, std::io::stderr().is_terminal() && !is_plain)
    }

    /// What went wrong, in a line; then what else a panic has said.
    fn title(&self) -> String {
        let Some(failure) = &self.failure else { return String::new() };
        let who = failure.thread.as_ref().map_or_else(String::new, |who| format!("{who}: "));
        let rest = failure.message.split_once('\n').map_or("", |(_, rest)| rest);
        match (failure.kind, self.recording.cycles.as_slice()) {
            (FailureKind::Panic, _) if !rest.is_empty() => {
                format!("{who}{}\n{rest}", failure.title())
            }
            (FailureKind::Deadlock, [cycle, ..]) => {
                let names: Vec<&str> =
                    cycle.iter().map(|(number, _)| self.cast.label(*number)).collect();
                match names.as_slice() {
                    [own] => format!("deadlock: {own} waits for itself"),
                    [most @ .., last] => {
                        format!("deadlock: {} and {last} wait for each other", most.join(", "))
                    }
                    [] => failure.title(),
                }
            }
            (FailureKind::Deadlock, []) => "deadlock: every green thread waits".to_owned(),
            _ => who + &failure.title(),
        }
    }

    /// The schedule, as far as anybody reads one.
    fn schedule_line(&self) -> String {
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

    fn parts(&self, rows: usize) -> Vec<Part> {
        let is_endless =
            self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Endless);
        Teller::new(&self.recording, &self.cast, self.wrong).tell(is_endless, rows.max(10))
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::text(self, COLUMNS, ROWS, f.alternate()))
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Story")
            .field("steps", &self.steps())
            .field("schedule", &self.schedule)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Runs the program under one schedule, and tells what happened.
///
/// # Panics
///
/// As [`Explorer::story`].
#[track_caller]
pub fn story<S, F, T>(schedule: S, program: F) -> Story
where
    S: TryInto<Schedule, Error: fmt::Display>,
    F: Fn() -> T,
{
    Explorer::new().story(schedule, program)
}
