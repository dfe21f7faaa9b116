//! Timelines: what was recorded, in three forms. Columns of text, Chrome's trace
//! format, a picture.

mod chrome;
mod columns;
mod picture;
mod story;

use std::collections::HashSet;
use std::fmt;
use std::io;

use crate::inspect::{Awaited, Recorder, Recording};
use crate::kernel::{Cause, scheduler};

/// The size of what [`Timeline`]'s `Display` prints.
const WIDTH: usize = 100;
const ROWS: usize = 200;

/// What green threads did, in the order in which they did it; made by a
/// [`Recorder`] or by [`record`].
///
/// `Display` prints it as [`Timeline::text`] does, 100 columns wide and at most
/// 200 rows long.
///
/// # Examples
///
/// ```
/// use leno::channel::bounded;
///
/// leno::run(|| {
///     let ((), timeline) = leno::debug::record(|| {
///         let (sender, receiver) = bounded(0);
///         let producer = leno::thread::Builder::new().name("producer");
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

/// Records what the runtime does while `f` runs in it.
///
/// If a [`Recorder`] is at work already, it stops.
///
/// # Panics
///
/// Outside a runtime. If `f` panics: then nothing is recorded any more, and the
/// record is lost. (A [`Recorder`] keeps it.)
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
    /// What has been recorded until now.
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
    /// How many events it has: spawns, ends, switches, wakes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recording.events.len()
    }

    /// Has it none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recording.events.is_empty()
    }

    /// How many events the recorder has forgotten, because there were more than
    /// it keeps. The timeline begins after those.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.recording.forgotten
    }

    /// The timeline as text: a column for each green thread, a row for each time
    /// that one ran. It says what is left out.
    ///
    /// A row has at most `width` columns of text, or 60 if that is more; there
    /// are at most `rows` of them, beside the title and the legend. If there are
    /// more green threads than fit beside each other, the last column stands for
    /// several.
    ///
    /// The text depends on nothing but what happened and when: with virtual time,
    /// the same run gives the same text on every machine.
    #[must_use]
    pub fn text(&self, width: usize, rows: usize) -> String {
        columns::text(self, width, rows)
    }

    /// Writes it in Chrome's trace event format, which <https://ui.perfetto.dev>
    /// and `chrome://tracing` open: a track for each green thread, with what it
    /// waited for between the times at which it ran, and arrows from who woke it.
    ///
    /// A virtual clock stands still while green threads run, so that nothing
    /// would be seen: each event is drawn a microsecond after the one before, at
    /// least. The time by the virtual clock is among the arguments.
    ///
    /// # Errors
    ///
    /// As `out` gives them.
    pub fn write_chrome_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        chrome::write(self, out)
    }

    /// Draws it as an SVG: a lane for each green thread, a bar for each time that
    /// it ran, arrows from who woke it. All bars have the same width: time is
    /// written beside them, not drawn to scale. What does not fit, after 240 bars
    /// or below 24 lanes, is left out, and the picture says so.
    ///
    /// # Errors
    ///
    /// As `out` gives them.
    pub fn write_svg(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(picture::draw(self).as_bytes())
    }

    /// When it begins, in nanoseconds of the runtime's clock.
    fn start(&self) -> u64 {
        self.recording.events.front().map_or(0, |event| event.at)
    }

    /// A green thread's name, and its number unless that is clear.
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
            Cause::Host => "the host".to_owned(),
            Cause::Runtime => "the runtime".to_owned(),
        }
    }

    /// What one does who waits: `sleeps`, `waits for ...`.
    fn waiting(&self, awaited: Awaited) -> String {
        match awaited {
            Awaited::Sleep => "sleeps".to_owned(),
            awaited => format!("waits for {}", self.awaited(awaited)),
        }
    }

    /// The name of the resource that is waited for, if it has one.
    fn awaited_name(&self, awaited: Awaited) -> Option<&str> {
        let Awaited::Resource { name: Some(index), .. } = awaited else { return None };
        self.recording.names.get(index as usize).map(|name| &**name)
    }

    /// What is waited for, so that it can stand after "waits for".
    fn awaited(&self, awaited: Awaited) -> String {
        match awaited {
            Awaited::Unpark => "unpark".to_owned(),
            Awaited::Sleep => "the end of its sleep".to_owned(),
            Awaited::Future => "a future".to_owned(),
            Awaited::Join(number) => format!("the end of {}", self.label(number)),
            Awaited::Scope => "the end of its scope".to_owned(),
            Awaited::AllEnded => "the end of all others".to_owned(),
            Awaited::Stalled => "all others to wait".to_owned(),
            Awaited::Any(count) => format!("any of {count}"),
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

/// The name of a source file, without its folders.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_no_folders() {
        assert_eq!(file_name("src/debug/timeline.rs"), "timeline.rs");
        assert_eq!(file_name(r"src\main.rs"), "main.rs");
        assert_eq!(file_name("main.rs"), "main.rs");
    }
}
