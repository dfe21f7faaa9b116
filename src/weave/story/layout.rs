//! The columns of a story: their green threads and their widths.

use super::line::{At, Line, Part, Threads, lines, used_lanes};
use super::wrap::wrapped;
use crate::draw::text::width;
use crate::draw::{file_name, plain, rest_note, widest_columns};
use crate::weave::report::grouped;

/// The least width of the text.
pub(super) const MIN_COLUMNS: usize = 60;
/// The least and the largest width of the words in a column.
const MIN_WORDS: usize = 13;
const MAX_WORDS: usize = 32;
/// The widths of a column with signs only.
const MIN_SIGNS: usize = 3;
const USUAL_SIGNS: usize = 5;
const MAX_SIGNS: usize = 10;
/// The least widths of the source, in the wide and in the narrow shape.
const MIN_SOURCE_WIDE: usize = 30;
const MIN_SOURCE_NARROW: usize = 20;
const MAX_SOURCE: usize = 70;
/// The cost of an added row, in characters of source that are cut off.
const ROW_LOSS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The words stand in the columns of their green threads.
    Wide,
    /// The columns have only signs, and the words stand beside them.
    Narrow,
}

pub(super) struct Layout {
    pub(super) shape: Shape,
    pub(super) gutter: usize,
    /// The widths of the columns of green threads.
    pub(super) widths: Vec<usize>,
    /// The width of the words beside the columns.
    pub(super) words: usize,
    pub(super) source: usize,
    /// The file of all places, or a title if there are several.
    pub(super) file: String,
    pub(super) labels: Vec<String>,
    /// The lanes that have a column of their own.
    lanes: Vec<usize>,
    /// The lanes that share the last column.
    rest: Vec<usize>,
    has_one_file: bool,
    digits: usize,
}

/// Returns the number of rows that wrapping adds, for each width of a lane's column.
fn rows_added(parts: &[Part], lane: usize) -> Vec<usize> {
    let lines = || lines(parts).filter(|line| line.lane == Some(lane));
    let rows = |line: &Line, column: usize| wrapped(&line.words, column.max(2) - 1).len() - 1;
    (0..=MAX_WORDS + 2).map(|column| lines().map(|line| rows(line, column)).sum()).collect()
}

impl Layout {
    pub(super) fn new(threads: &Threads, parts: &[Part], columns: usize) -> Layout {
        let columns = columns.max(MIN_COLUMNS);
        let places = || lines(parts).filter_map(|line| line.place.as_ref());
        let file = places().next().map_or("", |at| &at.file).to_owned();
        let has_one_file = places().all(|at| at.file == file);
        let digits = places().map(|at| at.line.to_string().len()).max().unwrap_or(1);
        let last_turn = lines(parts).filter_map(|line| line.turn).max().unwrap_or(0);
        let gutter = grouped(last_turn).len().max(4) + 3;
        let file = if has_one_file { file } else { "source".to_owned() };
        let mut layout = Layout {
            shape: Shape::Wide,
            gutter,
            widths: Vec::new(),
            words: 0,
            source: 0,
            file,
            labels: threads.labels.clone(),
            lanes: used_lanes(parts),
            rest: Vec::new(),
            has_one_file,
            digits,
        };
        let source = lines(parts).map(|line| layout.source_width(line)).max().unwrap_or(0);
        let source = source.max(width(&layout.file));
        let room = columns - gutter;
        if !layout.fit_wide(parts, room, source) {
            layout.fit_narrow(parts, room, source);
        }
        layout
    }

    fn source_width(&self, line: &Line) -> usize {
        let place = line.place.as_ref().map_or(0, |at| width(&self.place(at)) + 1);
        let text = line.source.as_ref().map_or(0, |text| width(text));
        let words = if line.lane.is_none() { width(&line.words) } else { 0 };
        (place + text).max(words).min(MAX_SOURCE)
    }

    /// Tries the wide shape. Returns `false` if there is no room for it.
    fn fit_wide(&mut self, parts: &[Part], room: usize, source: usize) -> bool {
        let Some(room_for_words) = room.checked_sub(source.min(MIN_SOURCE_WIDE)) else {
            return false;
        };
        let wanted = |&lane: &usize| {
            let words = lines(parts).filter(|line| line.lane == Some(lane));
            let words = words.map(|line| width(&line.words)).max().unwrap_or(0);
            words.max(width(&self.labels[lane])).clamp(6, MAX_WORDS) + 2
        };
        let wanted: Vec<usize> = self.lanes.iter().map(wanted).collect();
        let losses: Vec<Vec<usize>> =
            self.lanes.iter().map(|&lane| rows_added(parts, lane)).collect();
        let cut_off = |source: usize| -> usize {
            lines(parts).map(|line| self.source_width(line).saturating_sub(source)).sum()
        };
        let cut_off: Vec<usize> = (0..=room).map(cut_off).collect();
        // The widest columns are narrowed first. The first column, which usually belongs to the
        // main green thread, has a limit of its own.
        let most = || MIN_WORDS..=MAX_WORDS + 2;
        let tried = most().flat_map(|first| most().map(move |most| (first, most)));
        let fitting = tried.filter_map(|(first, most)| {
            let limits = std::iter::once(first).chain(std::iter::repeat(most));
            let widths: Vec<usize> =
                wanted.iter().zip(limits).map(|(&width, limit)| width.min(limit)).collect();
            let left = room.checked_sub(widths.iter().sum())?;
            let added: usize = losses.iter().zip(&widths).map(|(loss, &width)| loss[width]).sum();
            let loss = added * ROW_LOSS + cut_off[left];
            (room - left <= room_for_words).then_some((loss, widths, left))
        });
        let Some((_, widths, left)) = fitting.min_by_key(|(loss, ..)| *loss) else { return false };
        self.widths = widths;
        self.source = left;
        true
    }

    /// Lays out the narrow shape.
    fn fit_narrow(&mut self, parts: &[Part], room: usize, source: usize) {
        const LABEL: usize = "AA: ".len();
        self.shape = Shape::Narrow;
        let source = source.min(MIN_SOURCE_NARROW.max(room / 3));
        // Words of a shared column need the label of their green thread.
        let of = |line: &Line| width(&line.words) + 1 + line.lane.map_or(0, |_| LABEL);
        let wanted = lines(parts).map(of).max().unwrap_or(0);
        let words = wanted.clamp(MIN_WORDS, MAX_WORDS.min(room / 3));
        let room_for_signs = room - source - words;
        let title = |lane: usize| width(&self.labels[lane]) + 1;
        let widths = |most: usize| -> Vec<usize> {
            self.lanes.iter().map(|&lane| title(lane).clamp(MIN_SIGNS, most)).collect()
        };
        match widest_columns(USUAL_SIGNS..=MAX_SIGNS, room_for_signs, widths) {
            Some(found) => self.widths = found,
            None => {
                let mut used = USUAL_SIGNS;
                let mut found = widths(USUAL_SIGNS);
                found.retain(|width| {
                    used += width;
                    used <= room_for_signs
                });
                self.rest = self.lanes.split_off(found.len());
                found.push(USUAL_SIGNS);
                self.widths = found;
            }
        }
        let left = room - self.widths.iter().sum::<usize>();
        self.words = words.max(left.saturating_sub(source).min(wanted)).min(MAX_WORDS * 2);
        self.source = left.saturating_sub(self.words);
    }

    fn titles_alone(&self) -> Vec<String> {
        let mut titles: Vec<String> =
            self.lanes.iter().map(|&lane| plain(&self.labels[lane])).collect();
        if !self.rest.is_empty() {
            titles.push(format!("+{}", self.rest.len()));
        }
        titles
    }

    /// Returns the title of each column, and its width.
    pub(super) fn titles(&self) -> Vec<(String, usize)> {
        self.titles_alone().into_iter().zip(self.widths.iter().copied()).collect()
    }

    /// Returns the lane of a column that is not shared.
    pub(super) fn lane_of(&self, column: usize) -> Option<usize> {
        self.lanes.get(column).copied()
    }

    pub(super) fn column_of(&self, lane: usize) -> Option<usize> {
        let column = self.lanes.binary_search(&lane).ok();
        column.or_else(|| self.rest.contains(&lane).then_some(self.lanes.len()))
    }

    /// Formats a place, with aligned line numbers.
    pub(super) fn place(&self, at: &At) -> String {
        let line = at.line;
        if self.has_one_file {
            return format!("{line:>0$}", self.digits);
        }
        format!("{}:{line}", file_name(&at.file))
    }

    /// Returns the note on the shared column.
    pub(super) fn rest_note(&self) -> Option<String> {
        let labels: Vec<String> = self.rest.iter().map(|&lane| plain(&self.labels[lane])).collect();
        rest_note(&labels)
    }
}
