//! A timeline as columns of text, one for each green thread.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::Location;

use super::Timeline;
use super::story::{self, Kind};
use crate::draw::{duration, file_name, plain, rest_note, shortened, widest_columns};
use crate::inspect::debug::{Event, Happened};
use crate::kernel::Cause;

/// The least width of the text.
const MIN_WIDTH: usize = 60;
/// The least width of the note of a row.
const MIN_NOTE: usize = 28;
const TIME_WIDTH: usize = 11;
const MIN_COLUMN: usize = 5;
const MAX_COLUMN: usize = 16;

const RUNS: char = '█';
const READY: char = '│';
const WAITS: char = '┊';

/// Returns the timeline as text.
pub(super) fn text(timeline: &Timeline, width: usize, rows: usize) -> String {
    let events = story::events(timeline);
    if events.is_empty() {
        return "nothing was recorded\n".to_owned();
    }
    let layout = Layout::new(timeline, &events, width.max(MIN_WIDTH));
    let mut page = Page {
        timeline,
        doing: vec![' '; layout.shown],
        layout,
        rows_left: rows,
        rows_left_out: 0,
        time: String::new(),
        row: None,
        aside: None,
        out: String::new(),
    };
    page.title();
    for event in &events {
        page.add(event);
    }
    page.finish();
    page.out
}

/// The columns of the green threads.
struct Layout {
    columns: BTreeMap<u64, usize>,
    labels: Vec<String>,
    /// The number of columns. If there are more green threads, they share the last column.
    shown: usize,
    widths: Vec<usize>,
    note_width: usize,
    /// The clock goes on while green threads run, so the duration of a run is shown.
    has_durations: bool,
}

impl Layout {
    fn new(timeline: &Timeline, events: &[Event], width: usize) -> Layout {
        let mut columns = BTreeMap::new();
        let mut labels = Vec::new();
        for event in events {
            columns.entry(event.thread).or_insert_with(|| {
                labels.push(timeline.label(event.thread));
                labels.len() - 1
            });
        }
        let has_durations = !timeline.recording.is_virtual;
        let margins = TIME_WIDTH * (1 + usize::from(has_durations)) + 2;
        let room = width.saturating_sub(margins + MIN_NOTE);
        let shown = labels.len().min((room / MIN_COLUMN).max(2));
        // The widest columns are narrowed first.
        let widths = |most| -> Vec<usize> {
            let labels = labels.iter().take(shown);
            labels.map(|label| (label.chars().count() + 2).clamp(4, most)).collect()
        };
        let widths = widest_columns(4..=MAX_COLUMN, room, widths).unwrap_or(vec![4; shown]);
        let note_width = width - margins - widths.iter().sum::<usize>();
        Layout { columns, labels, shown, widths, note_width, has_durations }
    }

    /// Returns `true` if there are more green threads than columns.
    fn has_rest(&self) -> bool {
        self.labels.len() > self.shown
    }

    fn column(&self, thread: u64) -> usize {
        self.columns.get(&thread).map_or(0, |&column| column.min(self.shown - 1))
    }

    /// Returns `true` if the green thread shares its column.
    fn is_in_rest(&self, thread: u64) -> bool {
        self.has_rest() && self.column(thread) == self.shown - 1
    }

    /// Returns the labels of the green threads that share the last column.
    fn rest(&self) -> &[String] {
        &self.labels[self.shown - 1..]
    }

    fn title(&self) -> Vec<String> {
        let mut titles = self.labels[..self.shown.min(self.labels.len())].to_vec();
        if self.has_rest() {
            titles[self.shown - 1] = format!("+{}", self.rest().len());
        }
        titles
    }
}

/// A row that is not complete yet.
struct Row {
    /// The green thread that ran; `None` for effects of another origin.
    runner: Option<u64>,
    cause: Cause,
    at: u64,
    /// The signs of the columns that were affected.
    marks: BTreeMap<usize, char>,
    note: String,
}

impl Row {
    fn new(runner: Option<u64>, cause: Cause, at: u64) -> Row {
        Row { runner, cause, at, marks: BTreeMap::new(), note: String::new() }
    }

    /// Adds words to the note.
    fn say(&mut self, what: &str) {
        let comma = if self.note.is_empty() { "" } else { ", " };
        let _ = write!(self.note, "{comma}{what}");
    }
}

struct Page<'a> {
    timeline: &'a Timeline,
    layout: Layout,
    /// The state of each green thread, as a sign.
    doing: Vec<char>,
    rows_left: usize,
    rows_left_out: usize,
    /// The time of the row above.
    time: String,
    /// The row of the current green thread.
    row: Option<Row>,
    /// The row of another origin that had an effect meanwhile.
    aside: Option<Row>,
    out: String,
}

impl Page<'_> {
    fn title(&mut self) {
        let _ = write!(self.out, "{:>TIME_WIDTH$}", "time");
        if self.layout.has_durations {
            let _ = write!(self.out, "{:>TIME_WIDTH$}", "for");
        }
        self.out.push_str("  ");
        for (title, &width) in self.layout.title().iter().zip(&self.layout.widths) {
            let _ = write!(self.out, "{:width$}", shortened(&plain(title), width - 1));
        }
        self.end_line();
    }

    /// Ends a line, without trailing spaces.
    fn end_line(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }

    fn add(&mut self, event: &Event) {
        match (Kind::of(event.what), event.what) {
            (Some((cause, kind)), _) => self.link(event, cause, kind),
            (_, Happened::Runs) => {
                self.print_all(event.at);
                let cause = Cause::Thread(event.thread);
                self.row = Some(Row::new(Some(event.thread), cause, event.at));
            }
            (_, what) => self.leave(event, what),
        }
    }

    /// Adds an effect on the event's green thread.
    fn link(&mut self, event: &Event, cause: Cause, kind: Kind) {
        let column = self.layout.column(event.thread);
        let by_runner = self.row.as_ref().is_some_and(|row| row.cause == cause);
        if by_runner {
            self.print_aside();
        } else {
            self.step_aside(cause, event.at);
        }
        let row = if by_runner { &mut self.row } else { &mut self.aside };
        let Some(row) = row else { return };
        let runner = row.runner.map(|runner| self.layout.column(runner));
        let sign = match kind {
            Kind::Spawn => '○',
            Kind::Interrupt(_) => '×',
            Kind::Wake(_) => match runner {
                Some(runner) if runner < column => '▶',
                Some(_) => '◀',
                None => '*',
            },
        };
        if let Kind::Interrupt(why) = kind {
            row.say(why);
        } else if self.layout.is_in_rest(event.thread) {
            row.say(&format!("{sign} {}", self.timeline.label(event.thread)));
        }
        // A green thread that is cancelled is woken as well: the first sign is shown.
        row.marks.entry(column).or_insert(sign);
        if !matches!(kind, Kind::Interrupt(_)) {
            self.set_doing(event.thread, READY);
        }
    }

    /// Begins a row for an origin that is not the current green thread.
    fn step_aside(&mut self, cause: Cause, at: u64) {
        if self.aside.as_ref().is_some_and(|aside| aside.cause == cause && aside.at == at) {
            return;
        }
        self.print_aside();
        if let Some(row) = self.row.take_if(|row| row.at != at || !row.marks.is_empty()) {
            // The row of the current green thread up to now comes first.
            let rest = Row::new(row.runner, row.cause, at);
            self.print(row, at);
            self.row = Some(rest);
        }
        let mut aside = Row::new(None, cause, at);
        aside.say(&self.timeline.cause(cause));
        self.aside = Some(aside);
    }

    /// Ends the run of the event's green thread.
    fn leave(&mut self, event: &Event, what: Happened) {
        let (sign, note) = match what {
            Happened::Yields => (READY, "yields".to_owned()),
            Happened::Waits(awaited, at) => (WAITS, self.waits(self.timeline.waiting(awaited), at)),
            Happened::Ends => (' ', "ends".to_owned()),
            Happened::Returns => (' ', "returns".to_owned()),
            Happened::Fails { panicked: true } => (RUNS, "panics".to_owned()),
            _ => (RUNS, "is unwound".to_owned()),
        };
        self.print_aside();
        let row = self.row.as_mut().filter(|row| row.runner == Some(event.thread));
        if let Some(row) = row {
            row.say(&note);
            if sign != RUNS {
                self.print_all(event.at);
            }
        }
        self.set_doing(event.thread, sign);
    }

    /// Returns the words for a wait, with its place if there is room.
    fn waits(&self, what: String, at: &Location<'_>) -> String {
        let row = self.row.as_ref().filter(|row| !row.note.is_empty());
        let used = row.map_or(0, |row| row.note.chars().count() + 2);
        let room = self.layout.note_width.saturating_sub(used);
        let full = format!("{what} ({}:{})", file_name(at.file()), at.line());
        let short = format!("{what} (line {})", at.line());
        let fits = |text: &String| text.chars().count() <= room;
        [full, short].into_iter().find(fits).unwrap_or(what)
    }

    fn set_doing(&mut self, thread: u64, sign: char) {
        if !self.layout.is_in_rest(thread) {
            self.doing[self.layout.column(thread)] = sign;
        }
    }

    fn print_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            let at = aside.at;
            self.print(aside, at);
        }
    }

    fn print_all(&mut self, at: u64) {
        self.print_aside();
        if let Some(row) = self.row.take() {
            self.print(row, at);
        }
    }

    fn print(&mut self, row: Row, until: u64) {
        if self.rows_left == 0 {
            self.rows_left_out += 1;
            return;
        }
        self.rows_left -= 1;
        let time = duration(row.at - self.timeline.start());
        let shown = if time == self.time { "" } else { &*time };
        let _ = write!(self.out, "{shown:>TIME_WIDTH$}");
        self.time = time;
        if self.layout.has_durations {
            let ran = row.runner.map(|_| duration(until - row.at)).unwrap_or_default();
            let _ = write!(self.out, "{ran:>TIME_WIDTH$}");
        }
        self.out.push_str("  ");
        self.print_columns(&row);
        let shared = row.runner.filter(|&runner| self.layout.is_in_rest(runner));
        let label = shared.map_or_else(String::new, |runner| self.timeline.label(runner) + ": ");
        let note = plain(&(label + &row.note));
        self.out.push_str(&shortened(&note, self.layout.note_width));
        self.end_line();
    }

    fn print_columns(&mut self, row: &Row) {
        let runner = row.runner.map(|runner| self.layout.column(runner));
        let marked = row.marks.keys().copied().chain(runner);
        // The first and the last column of the horizontal line.
        let line = runner.and_then(|_| Some((marked.clone().min()?, marked.max()?)));
        for column in 0..self.layout.shown {
            let (is_in, goes_on) = line.map_or((false, false), |(first, last)| {
                ((first..=last).contains(&column), (first..last).contains(&column))
            });
            let sign = match row.marks.get(&column) {
                _ if runner == Some(column) => RUNS,
                Some(&sign) => sign,
                None if is_in && self.doing[column] == ' ' => '─',
                None if is_in => '┼',
                None => self.doing[column],
            };
            self.out.push(sign);
            let filler = if goes_on { "─" } else { " " };
            self.out.push_str(&filler.repeat(self.layout.widths[column] - 1));
        }
    }

    fn finish(&mut self) {
        let last = self.timeline.recording.events.back().map_or(0, |event| event.at);
        self.print_all(last);
        self.out.push_str(
            "\n  █ runs   │ could run   ┊ waits   ○ is spawned   ▶ ◀ * is woken   × is to be unwound\n",
        );
        if self.layout.has_rest()
            && let Some(note) = rest_note(self.layout.rest())
        {
            let _ = writeln!(self.out, "  {note}");
        }
        if self.rows_left_out > 0 {
            let _ = writeln!(self.out, "  {} more rows are left out", self.rows_left_out);
        }
        if self.timeline.forgotten() > 0 {
            let _ = writeln!(
                self.out,
                "  {} earlier events have been forgotten: the recorder keeps fewer",
                self.timeline.forgotten()
            );
        }
    }
}
