//! Timelines: the record of a runtime as columns of text, in Chrome's trace format, or as a picture.

mod chrome;
mod columns;
mod picture;
mod story;

use std::collections::HashSet;
use std::fmt;
use std::io;

use crate::inspect::debug::{Awaited, Recorder, Recording};
use crate::kernel::{Cause, scheduler};

/// The default width and the default number of rows of the text.
const WIDTH: usize = 100;
const ROWS: usize = 200;

/// The events of green threads in their order, made by a [`Recorder`] or by [`record`].
///
/// `Display` prints it as [`Timeline::text`] does, 100 columns wide and at most 200 rows long.
///
/// # Examples
///
/// ```
/// use leno::channel::bounded;
///
/// leno::run(|| {
///     let ((), timeline) = leno::debug::record(|| {
///         let (sender, receiver) = bounded(0);
///         let producer = leno::thread::Builder::new().name("producer".to_owned());
///         producer.spawn(move || sender.send(1)).expect("there is room for a stack");
///         receiver.recv().expect("the producer sends");
///     });
///     println!("{timeline}");
/// });
/// ```
#[derive(Clone)]
pub struct Timeline {
    recording: Recording,
    /// The names that more than one green thread has.
    shared_names: HashSet<Box<str>>,
}

/// Records the events of the runtime while `f` runs in it.
///
/// A [`Recorder`] that is recording already is stopped.
///
/// # Panics
///
/// Outside a runtime. If `f` panics, recording stops, and the record is lost. (A [`Recorder`] keeps
/// it.)
///
/// # Examples
///
/// See [`Timeline`].
#[track_caller]
pub fn record<T>(f: impl FnOnce() -> T) -> (T, Timeline) {
    struct Stop(Recorder);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    scheduler("leno::debug::record");
    let recorder = Recorder::new();
    recorder.start();
    let stop = Stop(recorder.clone());
    let value = f();
    drop(stop);
    (value, recorder.timeline())
}

impl Recorder {
    /// Returns the timeline of the events recorded so far.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        let recording = self.recording();
        let mut names = HashSet::new();
        let threads = recording.threads.values();
        let shared_names = threads
            .filter_map(|thread| thread.name.clone())
            .filter(|name| !names.insert(name.clone()))
            .collect();
        Timeline { recording, shared_names }
    }
}

impl Timeline {
    /// Returns the number of events: spawns, ends, switches, wakes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recording.events.len()
    }

    /// Returns `true` if there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recording.events.is_empty()
    }

    /// Returns the number of events that the recorder has dropped, because there were more than it
    /// keeps. The timeline begins after them.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.recording.forgotten
    }

    /// Returns the timeline as text: a column for each green thread, a row for each time that one
    /// ran. The text says what is left out.
    ///
    /// A row is at most `width` columns wide, or 60 if that is more. There are at most `rows` rows,
    /// besides the title and the legend. If there are more green threads than fit, the last column
    /// stands for several.
    ///
    /// The text depends only on the events and their times: with virtual time, the same run gives
    /// the same text on every machine.
    #[must_use]
    pub fn text(&self, width: usize, rows: usize) -> String {
        columns::text(self, width, rows)
    }

    /// Writes the timeline in Chrome's trace event format, which <https://ui.perfetto.dev> and
    /// `chrome://tracing` open: a track for each green thread, with its runs and its waits, and
    /// arrows from the thread that wakes it.
    ///
    /// A virtual clock stands still while green threads run, so all runs would have no length.
    /// Therefore each event is drawn at least a microsecond after the one before. The time by the
    /// virtual clock is among the arguments.
    ///
    /// # Errors
    ///
    /// The errors of `out`.
    pub fn write_chrome_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        chrome::write(self, out)
    }

    /// Writes the timeline as an SVG: a lane for each green thread, a bar for each time that it ran,
    /// arrows from the thread that wakes it. All bars have the same width: times are printed beside
    /// them, not drawn to scale. After 240 bars or below 24 lanes, the rest is left out, and the
    /// picture says so.
    ///
    /// # Errors
    ///
    /// The errors of `out`.
    pub fn write_svg(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(picture::draw(self).as_bytes())
    }

    /// Returns the time of the first event, in nanoseconds of the runtime's clock.
    fn start(&self) -> u64 {
        self.recording.events.front().map_or(0, |event| event.at)
    }

    /// Returns the name of a green thread, with its number if the name is shared.
    fn label(&self, number: u64) -> String {
        let threads = &self.recording.threads;
        match threads.get(&number).and_then(|thread| thread.name.as_deref()) {
            None => format!("#{number}"),
            Some(name) if self.shared_names.contains(name) => format!("{name} #{number}"),
            Some(name) => name.to_owned(),
        }
    }

    fn cause(&self, cause: Cause) -> String {
        match cause {
            Cause::Thread(number) => self.label(number),
            Cause::Clock => "the clock".to_owned(),
            Cause::Outside => "another OS thread".to_owned(),
            Cause::System => "the operating system".to_owned(),
            Cause::Host => "the host".to_owned(),
            Cause::Runtime => "the runtime".to_owned(),
        }
    }

    /// Returns the words for a wait: `sleeps`, `waits for ...`.
    fn waiting(&self, awaited: Awaited) -> String {
        match awaited {
            Awaited::Sleep => "sleeps".to_owned(),
            Awaited::External { verb, object, .. } => format!("{verb} {}", self.name(object)),
            awaited => format!("waits for {}", self.awaited(awaited)),
        }
    }

    /// Returns the name of the awaited resource, if it has one.
    fn awaited_name(&self, awaited: Awaited) -> Option<&str> {
        let Awaited::Resource { name: Some(index), .. } = awaited else { return None };
        Some(self.name(index))
    }

    fn name(&self, index: u32) -> &str {
        self.recording.names.get(index as usize).map_or("?", |name| name)
    }

    /// Returns the words that follow "waits for".
    fn awaited(&self, awaited: Awaited) -> String {
        match awaited {
            Awaited::Unpark => "unpark".to_owned(),
            Awaited::Sleep => "the end of its sleep".to_owned(),
            Awaited::Future => "a future".to_owned(),
            Awaited::Closure => "a closure in unblock".to_owned(),
            Awaited::Join(number) => format!("the end of {}", self.label(number)),
            Awaited::Scope => "the end of its scope".to_owned(),
            Awaited::AllEnded => "the end of all others".to_owned(),
            Awaited::Stalled => "all others to wait".to_owned(),
            Awaited::Any(count) => format!("any of {count}"),
            Awaited::External { wanted, object, .. } => format!("{wanted} {}", self.name(object)),
            Awaited::Nothing => "nothing".to_owned(),
            Awaited::Resource { need, kind, .. } => {
                let space = if need.is_empty() { "" } else { " " };
                match self.awaited_name(awaited) {
                    Some(name) => format!("{need}{space}{kind} '{name}'"),
                    None => format!("{need}{space}a {kind}"),
                }
            }
        }
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(WIDTH, ROWS))
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("events", &self.len()).finish_non_exhaustive()
    }
}
