//! The elements of the picture, layer by layer: lanes, arrows, boxes.

use std::fmt::Write;

use super::cycle;
use super::plan::{
    CHARACTER, GAP, Item, MARGIN, NARROW_BOX, NARROW_WORDS, PADDING, Plan, WORDS_HEIGHT,
};
use crate::draw::svg::{colour, cross, escaped, head};
use crate::draw::{plain, shortened};
use crate::weave::report::grouped;
use crate::weave::story::content::Content;
use crate::weave::story::line::{Line, Mark, Part, State, lines};
use crate::weave::story::wrap::wrapped;

/// The most lines of a picture; the middle of a longer story is left out.
const MOST_LINES: usize = 120;

const STYLE: &str = "\
.page { fill: #fff; stroke: #ddd } \
text { fill: #24292f; font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif } \
.title { font-size: 15px; font-weight: 600 } \
.bad { fill: #c62828 } \
.name { font-size: 13px; font-weight: 700 } \
.words { font-weight: 600 } \
.code { font: 11px ui-monospace, Menlo, 'DejaVu Sans Mono', monospace; white-space: pre } \
.faint { fill: #6e7781 } \
.paper { fill: #fff } \
.box { stroke-width: 1.5; fill-opacity: 0.13 } \
.wrong { fill: #e53935; stroke: #e53935; stroke-width: 2.5; fill-opacity: 0.16 } \
.odd { fill: #f9a825; stroke: #d48806; stroke-width: 2.5; fill-opacity: 0.2 } \
.lane { fill: none; stroke-width: 1.5; opacity: 0.75 } \
.waits { stroke-dasharray: 1 5; stroke-linecap: round } \
.next { fill: none; stroke: #8b949e; stroke-width: 2 } \
.tip { fill: #8b949e } \
.wakes { fill: none; stroke: #57606a; stroke-width: 1.1; stroke-dasharray: 4 2 } \
.head { fill: #57606a } \
.time { stroke: #8b949e; stroke-dasharray: 2 3 } \
.cycle { fill: none; stroke: #e53935; stroke-width: 2 } \
.hot { fill: #e53935 } \
@media (prefers-color-scheme: dark) { \
.page, .paper { fill: #0d1117 } .page { stroke: #30363d } \
text { fill: #e6edf3 } .bad { fill: #ff7b72 } .faint { fill: #8d96a0 } \
.box { fill-opacity: 0.3 } .wrong { fill-opacity: 0.3 } .odd { fill-opacity: 0.22 } \
.wakes { stroke: #b1bac4 } .head { fill: #b1bac4 } }";

/// Draws the story.
pub(in crate::weave::story) fn draw(story: &Content) -> String {
    let parts = story.parts(MOST_LINES);
    let plan = Plan::new(story, &parts);
    Drawing::new(story, &parts, plan).finish()
}

struct Drawing<'a> {
    story: &'a Content,
    parts: &'a [Part],
    plan: Plan,
    /// The elements behind all others.
    lines: String,
    boxes: String,
    /// The elements in front of all others.
    arrows: String,
}

impl<'a> Drawing<'a> {
    fn new(story: &'a Content, parts: &'a [Part], plan: Plan) -> Drawing<'a> {
        let (lines, boxes, arrows) = Default::default();
        Drawing { story, parts, plan, lines, boxes, arrows }
    }

    fn finish(mut self) -> String {
        self.head();
        let items = std::mem::take(&mut self.plan.items);
        for (place, item) in items.iter().enumerate() {
            let next = items.get(place + 1);
            self.lanes(item, next);
            match item.lane {
                Some(lane) => self.step(item, lane),
                None => self.aside(item),
            }
            self.marks(item);
            if let Some(next) = next {
                self.switch(item, next);
            }
        }
        let cycles = cycle::draw(&mut self.plan, &self.story.recording, &self.story.threads);
        let foot = self.foot();
        let (width, height) = (self.plan.width, self.plan.bottom + MARGIN);
        let Drawing { lines, boxes, arrows, .. } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
             {lines}{boxes}{arrows}{cycles}{foot}</svg>\n",
            width - 1,
            height - 1
        )
    }

    /// Draws the titles, and the names of the lanes.
    fn head(&mut self) {
        let mut y = MARGIN;
        for (place, title) in self.plan.titles.iter().enumerate() {
            y += 20;
            let class = if place == 0 { "title bad" } else { "code bad" };
            text(&mut self.boxes, class, (MARGIN, y), title);
        }
        if let Some(file) = &self.plan.file {
            text(&mut self.boxes, "code faint", (MARGIN, y + 20), &plain(file));
        }
        let turn = (MARGIN + 6, self.plan.labels_at);
        text(&mut self.boxes, "code faint", turn, "turn");
        let is_narrow = self.plan.words_at.is_some();
        for (place, lane) in self.plan.lanes.iter().enumerate() {
            let label = plain(&self.story.threads.labels[lane.index]);
            let label = escaped(&shortened(&label, if is_narrow { 12 } else { 36 }));
            let (x, y) = (lane.middle, self.plan.labels_at);
            let fill = colour(place);
            let place = match is_narrow && label.chars().count() > 3 {
                true => format!("transform=\"translate({} {y}) rotate(-45)\"", x + 4),
                false => format!("x=\"{x}\" y=\"{y}\" text-anchor=\"middle\""),
            };
            let _ = writeln!(
                self.boxes,
                r#"<text class="name" {place} style="fill: {fill}">{label}</text>"#
            );
        }
    }

    /// Draws the states of the green threads during a step.
    fn lanes(&mut self, item: &Item, next: Option<&Item>) {
        let until = next.map_or(item.end(), |next| next.top);
        for place in 0..self.plan.lanes.len() {
            let index = self.plan.lanes[place].index;
            let state = item.states.get(index).copied().unwrap_or_default();
            let after =
                next.map_or(state, |next| next.states.get(index).copied().unwrap_or_default());
            let mark = item.marks.iter().find(|(lane, ..)| *lane == place);
            if item.lane == Some(place) {
                self.lane(place, after, item.end(), until);
                continue;
            }
            let changes_at = mark.map_or(item.end(), |(_, _, y)| *y);
            self.lane(place, state, item.top, changes_at);
            let rest = if mark.is_some() { State::Ready } else { state };
            self.lane(place, rest, changes_at, item.end());
            self.lane(place, if mark.is_some() { State::Ready } else { after }, item.end(), until);
        }
    }

    /// Draws a piece of a lane.
    fn lane(&mut self, place: usize, state: State, from: usize, to: usize) {
        let waits = match state {
            State::Absent => return,
            State::Ready => "",
            State::Waits => " waits",
        };
        if from < to {
            let (x, stroke) = (self.plan.lanes[place].middle, colour(place));
            let _ = writeln!(
                self.lines,
                r#"<path class="lane{waits}" d="M{x} {from}V{to}" stroke="{stroke}"/>"#
            );
        }
    }

    /// Draws the box of a step.
    fn step(&mut self, item: &Item, place: usize) {
        let lane = self.plan.lanes[place].clone();
        let (x, y) = (lane.middle - lane.width / 2, item.top);
        let (width, height) = (lane.width, item.height);
        let fill = colour(place);
        let look = match (item.is_wrong, item.is_odd) {
            (true, _) => r#"class="wrong""#.to_owned(),
            (_, true) => r#"class="odd""#.to_owned(),
            _ => format!(r#"class="box" fill="{fill}" stroke="{fill}""#),
        };
        let shape = format!(r#"x="{x}" y="{y}" width="{width}" height="{height}" rx="5""#);
        let _ = writeln!(self.boxes, r#"<rect class="paper" {shape}/><rect {look} {shape}/>"#);
        let left = self.plan.words_at.unwrap_or(x + PADDING);
        self.texts(item, left);
        self.turn(item, y + WORDS_HEIGHT + 2);
    }

    /// Draws the words and the source lines of a step.
    fn texts(&mut self, item: &Item, x: usize) {
        for row in &item.texts {
            let y = row.y;
            let x = if row.is_beside { x + NARROW_WORDS * CHARACTER } else { x };
            if row.is_source {
                let title = row.title.as_ref();
                let title = title
                    .map_or_else(String::new, |all| format!("<title>{}</title>", escaped(all)));
                let _ = writeln!(
                    self.boxes,
                    r#"<text class="code" x="{x}" y="{y}"><tspan class="faint">{}</tspan> {}{title}</text>"#,
                    escaped(&row.number),
                    escaped(&row.text)
                );
            } else {
                let class = if row.is_wrong { "words bad" } else { "words" };
                text(&mut self.boxes, class, (x, y), &row.text);
            }
        }
    }

    fn turn(&mut self, item: &Item, y: usize) {
        let turn = item.turn.map_or_else(|| "·".to_owned(), grouped);
        let x = MARGIN + 30;
        let _ = writeln!(
            self.boxes,
            r#"<text class="code faint" x="{x}" y="{y}" text-anchor="end">{turn}</text>"#
        );
    }

    /// Draws that time passes, or that steps are left out.
    fn aside(&mut self, item: &Item) {
        let (left, middle) = (MARGIN + 40, item.top + item.height / 2);
        let right = match self.plan.words_at {
            Some(words_at) => words_at,
            None => self.plan.width - MARGIN,
        };
        if !item.is_aside {
            let _ = writeln!(self.lines, r#"<path class="time" d="M{left} {middle}H{right}"/>"#);
            self.turn(item, middle + 4);
        }
        if let Some(top) = item.again_from {
            let (x, tip) = (left - 6, left + 3);
            let y = top + 12;
            let _ = writeln!(
                self.arrows,
                r#"<path class="cycle" d="M{} {middle}H{} Q{x} {middle} {x} {} V{} Q{x} {y} {} {y} H{}"/><path class="hot" d="{}"/>"#,
                left + 4,
                x + 6,
                middle - 6,
                y + 6,
                x + 6,
                tip - 5,
                head((tip, y), (tip - 6, y))
            );
        }
        for row in &item.texts {
            let x = self.plan.words_at.unwrap_or(left + 12);
            let width = row.text.chars().count() * CHARACTER + 8;
            let class = if item.is_wrong { "words bad" } else { "words faint" };
            let _ = writeln!(
                self.boxes,
                r#"<rect class="paper" x="{}" y="{}" width="{width}" height="16"/>"#,
                x - 4,
                middle - 8
            );
            text(&mut self.boxes, class, (x, middle + 4), &row.text);
        }
    }

    /// Draws the effects of a step on other green threads.
    fn marks(&mut self, item: &Item) {
        for &(place, mark, y) in &item.marks {
            if item.lane == Some(place) {
                continue;
            }
            let x = self.plan.lanes[place].middle;
            let from = item.lane.map(|lane| {
                let lane = &self.plan.lanes[lane];
                let half =
                    if self.plan.words_at.is_some() { NARROW_BOX / 2 } else { lane.width / 2 };
                if lane.middle < x { lane.middle + half } else { lane.middle - half }
            });
            let Some(from) = from else {
                // The clock wakes from above.
                let tip = (x, item.top + item.height / 2 + 10);
                let path = head(tip, (x, tip.1 - 8));
                let _ = writeln!(self.arrows, r#"<path class="head" d="{path}"/>"#);
                continue;
            };
            let (tip, back) = if from < x { (x - 3, x - 9) } else { (x + 3, x + 9) };
            let _ = writeln!(self.arrows, r#"<path class="wakes" d="M{from} {y}H{back}"/>"#);
            let _ = match mark {
                Mark::Spawned => {
                    let stroke = colour(place);
                    writeln!(
                        self.arrows,
                        r#"<circle class="paper" cx="{x}" cy="{y}" r="4.5" stroke="{stroke}" stroke-width="2"/>"#
                    )
                }
                Mark::Woken => writeln!(
                    self.arrows,
                    r#"<path class="head" d="{}"/>"#,
                    head((tip, y), (back, y))
                ),
                Mark::Interrupted => {
                    writeln!(self.arrows, r#"<path class="cycle" d="{}"/>"#, cross((x, y), 5))
                }
            };
        }
    }

    /// Draws the arrow from one step to the next.
    fn switch(&mut self, item: &Item, next: &Item) {
        let Some(to) = next.lane else { return };
        let x = self.plan.lanes[to].middle;
        let (start, end) = (item.end(), next.top);
        let from = match item.lane {
            Some(lane) => self.plan.lanes[lane].middle,
            None if item.is_aside => return,
            None => x,
        };
        let tip = end - 6;
        let path = if from == x {
            format!("M{x} {start}V{tip}")
        } else {
            let (middle, turn) = (start + (end - start) / 2 - 1, 4.min((end - start) / 3));
            let (before, after) = if from < x { (from + 6, x - 6) } else { (from - 6, x + 6) };
            format!(
                "M{from} {start}V{} Q{from} {middle} {before} {middle} H{after} Q{x} {middle} {x} {} V{tip}",
                middle - turn.min(middle - start),
                (middle + turn).min(tip)
            )
        };
        let head = head((x, end), (x, tip));
        let _ = writeln!(
            self.lines,
            r#"<path class="next" d="{path}"/><path class="tip" d="{head}"/>"#
        );
    }

    /// Draws the legend and the schedule.
    fn foot(&mut self) -> String {
        let bottom = &mut self.plan.bottom;
        let mut out = String::new();
        let mut legend =
            "box: a step, with the number of the turn that it took · line: could run · \
                          dots: waits · circle: is spawned · thin arrow: is woken"
                .to_owned();
        if self.plan.lanes_left_out > 0 {
            let _ = write!(legend, " · {} more lanes are left out", self.plan.lanes_left_out);
        }
        let has_dots = self.parts.iter().any(|part| {
            matches!(part, Part::Step(lines) if lines.iter().all(|line| line.turn.is_none()))
        });
        if has_dots {
            legend += " · without a number: no other could run";
        }
        let has = |is: fn(&Line) -> bool| lines(self.parts).any(is);
        if has(|line| line.is_wrong) {
            legend += " · red: went wrong";
        }
        if has(|line| line.is_odd) {
            legend += " · yellow: may be why";
        }
        let room = (self.plan.width - 2 * MARGIN) / 6;
        *bottom += GAP / 2;
        for line in wrapped(&legend, room) {
            text(&mut out, "faint", (MARGIN, *bottom), &line);
            *bottom += 16;
        }
        let schedule = self.story.schedule_line();
        let room = (self.plan.width - 2 * MARGIN) / CHARACTER;
        for line in wrapped(&plain(&schedule), room) {
            text(&mut out, "code", (MARGIN, *bottom + 2), &line);
            *bottom += 15;
        }
        out
    }
}

/// Adds a text with its left end at `x`.
fn text(out: &mut String, class: &str, (x, y): (usize, usize), text: &str) {
    let text = escaped(text);
    let _ = writeln!(out, r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#);
}
