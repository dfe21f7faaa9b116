//! A story as columns of text.

use std::fmt::Write;

use super::content::Content;
use super::layout::{self, Layout, Shape};
use super::line::{Line, Mark, Part, State};
use super::wrap::wrapped;
use crate::draw::text::width;
use crate::draw::{plain, shortened};
use crate::weave::failure::{Failure, FailureKind};
use crate::weave::report::grouped;

const RUNS: &str = "█";

/// The colours of spawned green threads, by the numbers of a terminal.
const LANES: [&str; 5] = ["36", "33", "35", "32", "34"];

/// The style of a piece of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Dim,
    Bold,
    /// The colour of a green thread.
    Lane(usize),
    Fault,
    Odd,
}

/// Returns the story as text.
pub(super) fn text(story: &Content, columns: usize, rows: usize, is_coloured: bool) -> String {
    let parts = story.parts(rows);
    let layout = Layout::new(&story.threads, &parts, columns);
    let mut page = Page {
        columns: columns.max(layout::MIN_COLUMNS),
        layout,
        is_coloured,
        out: String::new(),
        line: Vec::new(),
        signs: Vec::new(),
    };
    page.title(story);
    page.header();
    for part in &parts {
        page.part(part);
    }
    page.footer(story);
    page.out.truncate(page.out.trim_end().len());
    page.out
}

struct Page {
    layout: Layout,
    columns: usize,
    is_coloured: bool,
    out: String,
    /// The pieces of the current line.
    line: Vec<(String, Style)>,
    /// The signs that the legend has to explain.
    signs: Vec<char>,
}

impl Page {
    /// Adds a piece to the current line.
    fn put(&mut self, text: impl Into<String>, style: Style) {
        self.line.push((text.into(), style));
    }

    /// Adds a piece, filled to the width of a column.
    fn put_in(&mut self, text: &str, room: usize, style: Style) {
        let fill = room.saturating_sub(width(text));
        self.put(format!("{text}{:fill$}", ""), style);
    }

    /// Prints the current line.
    fn end_line(&mut self) {
        while let Some((last, _)) = self.line.last_mut() {
            last.truncate(last.trim_end_matches(' ').len());
            if !last.is_empty() {
                break;
            }
            self.line.pop();
        }
        for (text, style) in self.line.drain(..) {
            let code = match style {
                Style::Dim => "2",
                Style::Bold => "1",
                Style::Fault => "1;31",
                Style::Odd => "1;33",
                Style::Lane(0) => "39",
                Style::Lane(lane) => LANES[(lane - 1) % LANES.len()],
                Style::Plain => "",
            };
            let is_blank = text.trim().is_empty();
            if !self.is_coloured || code.is_empty() || is_blank {
                self.out.push_str(&text);
            } else {
                let _ = write!(self.out, "\u{1b}[{code}m{text}\u{1b}[0m");
            }
        }
        self.out.push('\n');
    }

    /// Prints wrapped lines of a text.
    fn say(&mut self, text: &str, style: Style) {
        for line in wrapped(&plain(text), self.columns) {
            self.put(line, style);
            self.end_line();
        }
    }

    fn title(&mut self, story: &Content) {
        if story.failure.is_some() {
            for line in story.title().lines() {
                self.say(line, Style::Fault);
            }
            self.end_line();
        }
    }

    fn header(&mut self) {
        let gutter = self.layout.gutter;
        self.put(format!("{:>1$}  ", "turn", gutter - 2), Style::Dim);
        for (column, (title, room)) in self.layout.titles().into_iter().enumerate() {
            let lane = self.layout.lane_of(column);
            self.put_in(&shortened(&title, room - 1), room, lane.map_or(Style::Dim, Style::Lane));
        }
        self.put_in("", self.layout.words, Style::Plain);
        let file = shortened(&plain(&self.layout.file), self.layout.source);
        self.put(file, Style::Dim);
        self.end_line();
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Step(lines) => lines.iter().for_each(|line| self.line(line)),
            part => {
                let is_endless = matches!(part, Part::Again { is_endless: true, .. });
                self.aside(&part.aside().unwrap_or_default(), is_endless);
            }
        }
    }

    fn aside(&mut self, text: &str, is_wrong: bool) {
        let (sign, style) = if is_wrong { ("✗", Style::Fault) } else { (" ", Style::Bold) };
        self.put(sign, style);
        self.put(format!("{:>1$}  ", '⋮', self.layout.gutter - 3), Style::Dim);
        self.put(text, style);
        self.end_line();
    }

    fn line(&mut self, line: &Line) {
        let words = self.words(line);
        let rows = words.len();
        for (row, words) in words.iter().enumerate() {
            self.gutter(line, row);
            let is_first = row == 0;
            let column = line.lane.and_then(|lane| self.layout.column_of(lane));
            match self.layout.shape {
                Shape::Wide => self.wide(line, column, words, is_first),
                Shape::Narrow => self.narrow(line, column, words, is_first),
            }
            if is_first {
                self.source(line);
            }
            debug_assert!(rows > 0);
            self.end_line();
        }
    }

    fn style(&self, line: &Line) -> Style {
        match line.lane {
            _ if line.is_wrong => Style::Fault,
            _ if line.is_odd => Style::Odd,
            Some(lane) => Style::Lane(lane),
            None => Style::Plain,
        }
    }

    /// Returns the words of a line, in rows.
    fn words(&self, line: &Line) -> Vec<String> {
        let words = plain(&line.words);
        let column = line.lane.and_then(|lane| self.layout.column_of(lane));
        match (self.layout.shape, column) {
            (Shape::Narrow, _) => {
                let in_rest = column.is_some_and(|column| self.layout.lane_of(column).is_none());
                let lane = line.lane.filter(|_| in_rest && !words.is_empty());
                let label =
                    lane.map_or_else(String::new, |lane| plain(&self.layout.labels[lane]) + ": ");
                wrapped(&(label + &words), self.layout.words - 1)
            }
            (Shape::Wide, None) => vec![words],
            (Shape::Wide, Some(column)) => wrapped(&words, self.room(line, column) - 1),
        }
    }

    /// Returns the width for the words of a column: they may extend over blank columns.
    fn room(&self, line: &Line, column: usize) -> usize {
        let is_blank = |&column: &usize| {
            let lane = self.layout.lane_of(column);
            lane.is_some_and(|lane| self.sign(line, lane, true) == ' ')
        };
        let more = (column + 1..self.layout.widths.len()).take_while(is_blank);
        more.chain([column]).map(|column| self.layout.widths[column]).sum()
    }

    fn gutter(&mut self, line: &Line, row: usize) {
        let (sign, style) = match (line.is_wrong, line.is_odd) {
            (true, _) => ('✗', Style::Fault),
            (_, true) => ('!', Style::Odd),
            _ => (' ', Style::Plain),
        };
        self.use_sign(sign);
        self.put(if row == 0 { sign } else { ' ' }.to_string(), style);
        let turn = match line.turn {
            _ if row > 0 => String::new(),
            Some(turn) => grouped(turn),
            None if line.goes_on => String::new(),
            None => "·".to_owned(),
        };
        if turn == "·" {
            self.use_sign('·');
        }
        self.put(format!("{turn:>0$}  ", self.layout.gutter - 3), Style::Dim);
    }

    /// Returns the sign of a green thread that does not run.
    fn sign(&self, line: &Line, lane: usize, with_marks: bool) -> char {
        let mark = line.marks.get(&lane).filter(|_| with_marks);
        let state = line.states.get(lane).copied().unwrap_or_default();
        match (mark, state) {
            (Some(Mark::Spawned), _) => '○',
            (Some(Mark::Interrupted), _) => '×',
            (Some(Mark::Woken), _) => match line.lane {
                Some(runner) if runner < lane => '▶',
                Some(_) => '◀',
                None => '*',
            },
            // The row above shows the mark.
            (None, _) if line.marks.contains_key(&lane) => '│',
            (None, State::Absent) => ' ',
            (None, State::Ready) => '│',
            (None, State::Waits) => '┊',
        }
    }

    /// Adds a sign to the legend.
    fn use_sign(&mut self, sign: char) {
        if sign != ' ' && !self.signs.contains(&sign) {
            self.signs.push(sign);
        }
    }

    fn put_sign(&mut self, sign: char, room: usize, lane: usize) {
        self.use_sign(sign);
        let style = if "│┊".contains(sign) { Style::Dim } else { Style::Lane(lane) };
        self.put_in(&sign.to_string(), room, style);
    }

    /// Adds the columns of a row in the wide shape.
    fn wide(&mut self, line: &Line, runs: Option<usize>, words: &str, is_first: bool) {
        let mut column = 0;
        while column < self.layout.widths.len() {
            let room = self.layout.widths[column];
            let lane = self.layout.lane_of(column).unwrap_or_default();
            if runs == Some(column) {
                let mut taken = room;
                while taken <= width(words) && column + 1 < self.layout.widths.len() {
                    column += 1;
                    taken += self.layout.widths[column];
                }
                let style = self.style(line);
                let is_silent = line.words.is_empty();
                self.put_in(if is_silent { RUNS } else { words }, taken, style);
                self.use_sign(if is_silent { '█' } else { ' ' });
            } else {
                let sign = self.sign(line, lane, is_first);
                self.put_sign(sign, room, lane);
            }
            column += 1;
        }
    }

    /// Adds the columns and the words of a row in the narrow shape.
    fn narrow(&mut self, line: &Line, runs: Option<usize>, words: &str, is_first: bool) {
        for column in 0..self.layout.widths.len() {
            let room = self.layout.widths[column];
            let lane = self.layout.lane_of(column);
            match lane {
                _ if runs == Some(column) => {
                    let sign = if is_first { RUNS } else { " " };
                    self.use_sign('█');
                    let style = self.style(line);
                    self.put_in(sign, room, style);
                }
                Some(lane) => {
                    let sign = self.sign(line, lane, is_first);
                    self.put_sign(sign, room, lane);
                }
                None => self.put_in("", room, Style::Plain),
            }
        }
        let style = self.style(line);
        self.put_in(words, self.layout.words, style);
    }

    fn source(&mut self, line: &Line) {
        let layout = &self.layout;
        let words =
            if layout.shape == Shape::Wide && line.lane.is_none() { &line.words } else { "" };
        let place = line.place.as_ref().map_or_else(String::new, |at| layout.place(at));
        let room = layout.source.saturating_sub(width(&place) + 1);
        let text = line.source.as_ref().map_or_else(String::new, |text| shortened(text, room));
        if !words.is_empty() {
            self.put(plain(words), Style::Plain);
        } else if !place.is_empty() {
            self.put(place + " ", Style::Dim);
            let style = if line.is_wrong { Style::Fault } else { Style::Plain };
            self.put(text, style);
        }
    }

    fn footer(&mut self, story: &Content) {
        let failure = story.failure.as_ref();
        let deadlock = failure.filter(|failure| failure.kind == FailureKind::Deadlock);
        if let Some(Failure { message, .. }) = deadlock {
            self.end_line();
            for line in message.lines() {
                let style = if line.trim_start().starts_with("cycle:") {
                    Style::Fault
                } else {
                    Style::Plain
                };
                self.put(plain(line), style);
                self.end_line();
            }
        }
        self.end_line();
        let known = [
            ('✗', "went wrong"),
            (
                '!',
                if story.lost.is_some() {
                    "lost here: every continuation fails"
                } else {
                    "may be why"
                },
            ),
            ('·', "no other could run"),
            ('█', "runs"),
            ('│', "could run"),
            ('┊', "waits"),
            ('○', "is spawned"),
            ('▶', "is woken"),
            ('◀', "is woken"),
            ('*', "is woken"),
            ('×', "is to be unwound"),
        ];
        let mut legend: Vec<(String, &str)> = Vec::new();
        for (sign, what) in known.into_iter().filter(|(sign, _)| self.signs.contains(sign)) {
            match legend.last_mut() {
                Some((signs, last)) if *last == what => *signs += &format!(" {sign}"),
                _ => legend.push((sign.to_string(), what)),
            }
        }
        let legend: Vec<String> =
            legend.into_iter().map(|(signs, what)| format!("{signs} {what}")).collect();
        let rest = self.layout.rest_note();
        for entry in legend {
            let used: usize = self.line.iter().map(|(text, _)| width(text)).sum();
            if used > 0 && used + width(&entry) > self.columns {
                self.end_line();
            }
            self.put(entry + "   ", Style::Dim);
        }
        self.end_line();
        if let Some(rest) = rest {
            self.say(&rest, Style::Dim);
        }
        self.say(&story.schedule_line(), Style::Plain);
    }
}
