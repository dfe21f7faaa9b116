//! The places of all elements of the picture, in pixels.

use crate::draw::text::width;
use crate::draw::{file_name, plain, shortened};
use crate::weave::story::content::Content;
use crate::weave::story::line::{At, Line, Mark, Part, State, lines, used_lanes};
use crate::weave::story::wrap::wrapped;

/// The most lanes with words in their boxes. With more green threads, the words stand beside the
/// lanes.
const MOST_COLUMNS: usize = 5;
/// The most lanes that are drawn.
const MOST_LANES: usize = 40;

pub(super) const MARGIN: usize = 16;
/// The width for the numbers of turns.
const GUTTER: usize = 44;
/// The approximate width of a character in the font sizes of the picture.
pub(super) const CHARACTER: usize = 7;
pub(super) const WORDS_HEIGHT: usize = 17;
pub(super) const SOURCE_HEIGHT: usize = 15;
pub(super) const PADDING: usize = 7;
/// The distance of two boxes, with room for the arrow.
pub(super) const GAP: usize = 20;
/// The width of a lane that has boxes without words.
const NARROW_LANE: usize = 26;
pub(super) const NARROW_BOX: usize = 16;
/// The most rows of a source line.
const MOST_SOURCE_ROWS: usize = 2;
/// The number of characters for the words beside the lanes. The source stands to their right.
pub(super) const NARROW_WORDS: usize = 32;
const ROOM_FOR_LABELS: usize = 60;

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// The index of the green thread in the story.
    pub(super) index: usize,
    pub(super) middle: usize,
    pub(super) width: usize,
}

/// A row of text.
pub(super) struct Text {
    pub(super) text: String,
    /// The whole text, if `text` is shortened.
    pub(super) title: Option<String>,
    pub(super) number: String,
    pub(super) is_source: bool,
    /// The row stands beside the words, not below them.
    pub(super) is_beside: bool,
    pub(super) is_wrong: bool,
    /// The base line.
    pub(super) y: usize,
}

/// The elements at one height: a step, time that passes, or a note on steps that are left out.
pub(super) struct Item {
    /// The lane of the step; `None` if time passes, or steps are left out.
    pub(super) lane: Option<usize>,
    pub(super) top: usize,
    pub(super) height: usize,
    pub(super) texts: Vec<Text>,
    /// The effects on other lanes, each with its height.
    pub(super) marks: Vec<(usize, Mark, usize)>,
    pub(super) states: Vec<State>,
    pub(super) turn: Option<u64>,
    pub(super) is_wrong: bool,
    pub(super) is_odd: bool,
    /// A note on steps that are not drawn.
    pub(super) is_aside: bool,
    /// The top of the steps that are repeated.
    pub(super) again_from: Option<usize>,
}

pub(super) struct Plan {
    pub(super) lanes: Vec<Lane>,
    /// The left end of the words, if they stand beside the lanes.
    pub(super) words_at: Option<usize>,
    pub(super) items: Vec<Item>,
    pub(super) titles: Vec<String>,
    pub(super) file: Option<String>,
    /// The base line of the names of the lanes.
    pub(super) labels_at: usize,
    pub(super) width: usize,
    /// The end of what is planned so far.
    pub(super) bottom: usize,
    pub(super) lanes_left_out: usize,
    /// The number of characters in a row of a box, lane by lane.
    rooms: Vec<usize>,
}

impl Plan {
    pub(super) fn new(story: &Content, parts: &[Part]) -> Plan {
        let mut used = used_lanes(parts);
        let lanes_left_out = used.len().saturating_sub(MOST_LANES);
        used.truncate(MOST_LANES);
        let mut places = lines(parts).filter_map(|line| line.place.as_ref());
        let first = places.next().map(|at| at.file.clone());
        let file = first.filter(|file| places.all(|at| at.file == *file));
        let mut plan = Plan {
            lanes: Vec::new(),
            words_at: None,
            items: Vec::new(),
            titles: Vec::new(),
            file,
            labels_at: 0,
            width: 0,
            bottom: 0,
            lanes_left_out,
            rooms: Vec::new(),
        };
        if used.len() <= MOST_COLUMNS {
            plan.wide(story, parts, &used);
        } else {
            plan.narrow(parts, &used);
        }
        plan.titles(story);
        parts.iter().for_each(|part| plan.part(part));
        plan
    }

    /// Lays out lanes with words in their boxes.
    fn wide(&mut self, story: &Content, parts: &[Part], used: &[usize]) {
        let most = (130 / used.len().max(1)).clamp(28, 46);
        let mut left = MARGIN + GUTTER;
        for &index in used {
            let lines = lines(parts).filter(|line| line.lane == Some(index));
            let wanted = lines.map(|line| self.wanted(line)).max().unwrap_or(0);
            let label = width(&story.threads.labels[index]);
            let room = wanted.max(label).clamp(10, most);
            let width = room * CHARACTER + 2 * PADDING;
            self.lanes.push(Lane { index, middle: left + width / 2, width });
            self.rooms.push(room);
            left += width + GAP;
        }
        self.width = (left - GAP + MARGIN).max(480);
    }

    /// Lays out lanes with words beside them.
    fn narrow(&mut self, parts: &[Part], used: &[usize]) {
        let left = MARGIN + GUTTER;
        for (place, &index) in used.iter().enumerate() {
            let middle = left + place * NARROW_LANE + NARROW_LANE / 2;
            self.lanes.push(Lane { index, middle, width: NARROW_BOX });
        }
        let words_at = left + used.len() * NARROW_LANE + MARGIN;
        let source = |line: &Line| line.source.as_ref().map_or(0, |text| width(text) + 5);
        let room = lines(parts).map(source).max().unwrap_or(0).clamp(20, 70);
        self.rooms = vec![room; used.len()];
        self.words_at = Some(words_at);
        self.width = words_at + (NARROW_WORDS + room) * CHARACTER + MARGIN;
    }

    /// Returns the number of characters of a line in one row.
    fn wanted(&self, line: &Line) -> usize {
        let source = line.source.as_ref().map_or(0, |text| width(text));
        let number = line.place.as_ref().map_or(0, |at| width(&self.number(at)) + 1);
        width(&line.words).min(36).max(source + number)
    }

    fn number(&self, at: &At) -> String {
        match &self.file {
            Some(_) => at.line.to_string(),
            None => format!("{}:{}", file_name(&at.file), at.line),
        }
    }

    fn titles(&mut self, story: &Content) {
        let room = (self.width - 2 * MARGIN) / 8;
        let title = story.title();
        self.titles = title.lines().flat_map(|line| wrapped(&plain(line), room)).collect();
        self.titles.retain(|line| !line.is_empty());
        let top = MARGIN + self.titles.len() * 20 + 32;
        let is_long = self.words_at.is_some()
            && self.lanes.iter().any(|lane| width(&story.threads.labels[lane.index]) > 3);
        self.labels_at = top + if is_long { ROOM_FOR_LABELS } else { 12 };
        self.bottom = self.labels_at + 16;
    }

    /// Returns the lane of a green thread.
    pub(super) fn lane_of(&self, index: usize) -> Option<usize> {
        self.lanes.binary_search_by_key(&index, |lane| lane.index).ok()
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Step(lines) => self.step(lines),
            part => {
                let text = part.aside().unwrap_or_default();
                let is_wrong = matches!(part, Part::Again { is_endless: true, .. });
                let states = self.items.last().map(|item| item.states.clone()).unwrap_or_default();
                let mut item = Item::new(None, self.bottom, states);
                item.height = WORDS_HEIGHT + PADDING;
                item.is_aside = true;
                if let Part::Again { steps, .. } = part {
                    item.again_from = self.items.iter().rev().nth(steps - 1).map(|item| item.top);
                }
                item.is_wrong = is_wrong;
                item.texts.push(Text { is_wrong, ..Text::new(text, self.bottom + WORDS_HEIGHT) });
                self.bottom += item.height + GAP;
                self.items.push(item);
            }
        }
    }

    fn step(&mut self, lines: &[Line]) {
        let Some(first) = lines.first() else { return };
        let lane = first.lane.and_then(|index| self.lane_of(index));
        let mut item = Item::new(lane, self.bottom, first.states.clone());
        item.turn = lines.iter().find_map(|line| line.turn);
        item.is_wrong = lines.iter().any(|line| line.is_wrong);
        item.is_odd = lines.iter().any(|line| line.is_odd);
        let room = lane.map_or(60, |lane| self.rooms[lane]);
        let mut y = self.bottom + PADDING;
        let mut place = None;
        for line in lines {
            let top = y;
            let thread = match (self.words_at, first.lane, lane) {
                (Some(_), Some(_), None) => "another: ",
                _ => "",
            };
            let words = format!("{thread}{}", plain(&line.words));
            let room_for_words = if self.words_at.is_some() { NARROW_WORDS } else { room };
            for words in
                wrapped(&words, room_for_words).into_iter().filter(|words| !words.is_empty())
            {
                y += WORDS_HEIGHT;
                let number = String::new();
                let y = y - 4;
                let is_wrong = line.is_wrong;
                item.texts.push(Text { number, is_wrong, ..Text::new(words, y) });
            }
            if let Some(at) = line.place.as_ref().filter(|at| place != Some(*at)) {
                place = Some(at);
                let number = self.number(at);
                let full = line.source.clone().unwrap_or_default();
                if self.words_at.is_some() {
                    let text = shortened(&full, room.saturating_sub(width(&number) + 1));
                    let beside = Text { number, is_source: true, ..Text::new(text, top + 13) };
                    item.texts.push(Text { is_beside: true, ..beside });
                    y = y.max(top + WORDS_HEIGHT);
                } else {
                    Self::source(&mut item, &mut y, &number, &full, room);
                }
            }
            let middle = top + WORDS_HEIGHT / 2 + 2;
            let marks = line
                .marks
                .iter()
                .filter_map(|(&index, &mark)| Some((self.lane_of(index)?, mark, middle)));
            item.marks.extend(marks);
        }
        item.height = (y + PADDING - 2 - self.bottom).max(NARROW_BOX);
        self.bottom += item.height + if self.words_at.is_some() { GAP / 2 } else { GAP };
        self.items.push(item);
    }

    /// Adds a source line, in up to two rows.
    fn source(item: &mut Item, y: &mut usize, number: &str, full: &str, room: usize) {
        let room = room.saturating_sub(width(number) + 1);
        let mut rows = wrapped(full, room);
        let is_long = rows.len() > MOST_SOURCE_ROWS;
        if is_long {
            let rest = rows.split_off(MOST_SOURCE_ROWS - 1).join(" ");
            rows.push(shortened(&rest, room));
        }
        for (row, text) in rows.into_iter().enumerate() {
            *y += SOURCE_HEIGHT;
            let title = (is_long && row == 0).then(|| full.to_owned());
            let blank = " ".repeat(width(number));
            let number = if row == 0 { number.to_owned() } else { blank };
            let y = *y - 3;
            item.texts.push(Text { title, number, is_source: true, ..Text::new(text, y) });
        }
    }
}

impl Text {
    fn new(text: String, y: usize) -> Text {
        let number = String::new();
        Text { text, title: None, number, is_source: false, is_beside: false, is_wrong: false, y }
    }
}

impl Item {
    fn new(lane: Option<usize>, top: usize, states: Vec<State>) -> Item {
        Item {
            lane,
            top,
            height: 0,
            texts: Vec::new(),
            marks: Vec::new(),
            states,
            turn: None,
            is_wrong: false,
            is_odd: false,
            is_aside: false,
            again_from: None,
        }
    }

    pub(super) fn end(&self) -> usize {
        self.top + self.height
    }
}
