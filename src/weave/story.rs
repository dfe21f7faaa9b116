//! Stories: one execution, step by step, as text or as a picture.

mod content;
mod fold;
mod layout;
mod line;
mod narration;
mod picture;
mod source;
mod state;
mod step_lines;
mod text;
mod told;
mod wrap;

use std::cell::RefCell;
use std::fmt;
use std::io::IsTerminal;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use super::controller::ExplorationController;
use super::failure::Failure;
use super::options::Options;
use super::recording::Recording;
use super::schedule::Schedule;
use content::Content;

pub(super) use line::{At, Mark, Threads};
pub(super) use told::{StepEnd, Teller, ToldStep, takes};

/// The default width and the default number of lines of the text.
const COLUMNS: usize = 100;
const ROWS: usize = 150;

/// One execution of a program, step by step: what each green thread did, on which line of the
/// source.
///
/// A story prints as columns of text, one for each green thread, with time going down. As a
/// picture, it is [an SVG](Story::to_svg). `{:#}` prints it in the colours of a terminal.
///
/// - A step is what a green thread does between two switches. The number beside a step is that of
///   its turn in the [`Schedule`]. A step with a dot has no turn, since no other green thread
///   could run.
/// - A step shows the operations on primitives of leno and on [`Shared`](super::Shared) values.
///   For a step without operations, the source lines between its beginning and its end are shown;
///   the path of the code between them is not observed.
/// - The source is searched for from the working directory and from `CARGO_MANIFEST_DIR` upwards.
///   Without the source, only line numbers are shown.
/// - Steps that are repeated many times are shown once, and the middle of a long story is left
///   out. The story says so.
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
pub struct Story(Content);

/// Runs the program under one schedule, and returns its story.
pub(super) fn tell<T>(options: &Options, schedule: &Schedule, program: &impl Fn() -> T) -> Story {
    let mut executor = options.replay_executor(schedule, false);
    executor.controller.borrow_mut().recording = Some(Box::default());
    let controller = executor.controller.clone();
    let end = executor.run(&noting_end(&controller, program));
    let failure = executor.failure_of(end).err().map(|failure| *failure);
    let (recording, threads) = recorded(&mut controller.borrow_mut());
    Story::new(schedule.clone(), failure, recording, threads)
}

/// Returns the program, which notes in the recording how it has ended.
pub(super) fn noting_end<T>(
    controller: &Rc<RefCell<ExplorationController>>,
    program: &impl Fn() -> T,
) -> impl Fn() -> T {
    move || {
        let result = panic::catch_unwind(AssertUnwindSafe(program));
        if let Some(recording) = &mut controller.borrow_mut().recording {
            match &result {
                Ok(_) => recording.returned(),
                Err(payload) if crate::kernel::is_unwound_by(payload) => recording.unwound(),
                // The runtime reports a panic to the controller.
                Err(_) => {}
            }
        }
        result.unwrap_or_else(|payload| panic::resume_unwind(payload))
    }
}

/// Returns the recording of the last execution, and its green threads.
///
/// # Panics
///
/// If nothing was recorded.
pub(super) fn recorded(controller: &mut ExplorationController) -> (Recording, Threads) {
    let mut recording = *controller.recording.take().expect("the execution was recorded");
    recording.finish();
    let mut numbers = vec![1];
    numbers.extend(recording.spawned.iter().map(|(number, _)| *number));
    let label = |&number: &u64| controller.names.label(number).to_string();
    let labels = numbers.iter().map(label).collect();
    (recording, Threads { numbers, labels })
}

impl Story {
    pub(super) fn new(
        schedule: Schedule,
        failure: Option<Failure>,
        recording: Recording,
        threads: Threads,
    ) -> Story {
        Story(Content::new(schedule, failure, recording, threads))
    }

    /// Marks the step at this place as the one from which every continuation fails.
    pub(super) fn lost_at(mut self, place: Option<usize>) -> Story {
        self.0.lost = place;
        self
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.0.recording
    }

    pub(super) fn threads(&self) -> &Threads {
        &self.0.threads
    }

    /// Returns the failure in words, above the story.
    pub(super) fn title(&self) -> String {
        self.0.title()
    }

    /// Returns the place of the step that went wrong.
    pub(super) fn wrong(&self) -> Option<usize> {
        self.0.wrong
    }

    /// Returns the failure of the execution; `None` if it did not fail.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || assert_eq!(1 + 1, 3, "wrong sum"));
    /// assert!(story.failure().unwrap().message().contains("wrong sum"));
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.failure.as_ref()
    }

    /// Returns the schedule of the execution.
    ///
    /// # Examples
    ///
    /// ```
    /// let program = || {
    ///     leno::spawn(|| ());
    ///     leno::spawn(|| ());
    /// };
    /// let story = leno::weave::story("B1 A1", program);
    /// assert_eq!(story.schedule().to_string(), "B1 A1");
    /// ```
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.0.schedule
    }

    /// Returns the number of steps. A step is what a green thread does between two switches.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || leno::yield_now());
    /// assert_eq!(story.steps(), 2);
    /// ```
    #[must_use]
    pub fn steps(&self) -> usize {
        self.0.recording.order().len()
    }

    /// Returns the story as text that is `columns` wide, or 60 if that is more, with about `rows`
    /// lines for steps.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || leno::yield_now());
    /// assert!(story.text(80, 20).lines().all(|line| line.chars().count() <= 80));
    /// ```
    #[must_use]
    pub fn text(&self, columns: usize, rows: usize) -> String {
        text::text(&self.0, columns, rows, false)
    }

    /// Returns the story as text in the colours of a terminal.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || leno::yield_now());
    /// assert!(story.coloured().contains("\u{1b}["));
    /// ```
    #[must_use]
    pub fn coloured(&self) -> String {
        text::text(&self.0, COLUMNS, ROWS, true)
    }

    /// Returns the story as a picture: a self-contained SVG for a bug report or a browser, readable
    /// on white and on black. The middle of a long story is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || leno::yield_now());
    /// assert!(story.to_svg().starts_with("<svg"));
    /// ```
    #[must_use]
    pub fn to_svg(&self) -> String {
        picture::draw(&self.0)
    }

    /// Returns the story for standard error: in colours if that is a terminal and `NO_COLOR` is
    /// not set.
    pub(super) fn for_stderr(&self) -> String {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        text::text(&self.0, COLUMNS, ROWS, std::io::stderr().is_terminal() && !is_plain)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::text(&self.0, COLUMNS, ROWS, f.alternate()))
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Story")
            .field("steps", &self.steps())
            .field("schedule", self.schedule())
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}
