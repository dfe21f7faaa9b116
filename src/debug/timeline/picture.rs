//! A timeline as a picture.
//!
//! ```text
//!             0 ns                    2 s          time, where it has passed
//!   name    [####]· · · · · · · · · · ·|- [##]     a lane for each green thread
//!              |                       |
//!   name       o- - -[##]· · · · · · · | · · ·     an arrow from the running thread to
//!                                                  the thread that it wakes
//! ```
//!
//! Each event has its own place from left to right, and the distance of two events does not show the
//! time between them: a program waits most of the time, and drawn to scale nothing else would be
//! visible.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Timeline;
use super::story::{self, Doing, Kind, Part, Story};
use crate::draw::duration;
use crate::draw::svg::{colour, cross, escaped, head};
use crate::inspect::debug::{Event, Happened};
use crate::kernel::Cause;

const MOST_BARS: usize = 240;
const MOST_LANES: usize = 24;

const LANE_HEIGHT: usize = 40;
const BAR_HEIGHT: usize = 16;
const TOP: usize = 44;
const MARGIN: usize = 16;
/// The approximate widths of a character in the font sizes below.
const LABEL_CHARACTER: usize = 8;
const NOTE_CHARACTER: usize = 6;

/// The distance of two events.
const STEP: usize = 15;
/// The distance of two events if the runtime has slept in between.
const PAUSE: usize = 30;
/// The least distance of two printed times.
const TIME_DISTANCE: usize = 64;

/// Returns the timeline as an SVG.
pub(super) fn draw(timeline: &Timeline) -> String {
    let mut events = story::events(timeline);
    let bars_left_out = cut(&mut events);
    let mut lanes = BTreeMap::new();
    let mut labels = Vec::new();
    for event in &events {
        lanes.entry(event.thread).or_insert_with(|| {
            labels.push(timeline.label(event.thread));
            labels.len() - 1
        });
    }
    let lanes_left_out = labels.len().saturating_sub(MOST_LANES);
    labels.truncate(MOST_LANES);
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let places = places(&events, MARGIN * 2 + longest * LABEL_CHARACTER);
    let story = Story::of(&events);
    let mut picture =
        Picture { timeline, events, places, lanes, labels, story, out: String::new() };
    picture.open(bars_left_out, lanes_left_out);
    picture.times();
    picture.parts();
    picture.links();
    picture.out.push_str("</svg>\n");
    picture.out
}

/// Keeps the first bars. Returns the number of bars that are left out.
fn cut(events: &mut Vec<Event>) -> usize {
    let starts = |event: &Event| matches!(event.what, Happened::Runs);
    let bars = events.iter().filter(|event| starts(event)).count();
    if bars > MOST_BARS {
        let mut seen = 0;
        let end = events.iter().position(|event| {
            seen += usize::from(starts(event));
            seen > MOST_BARS
        });
        events.truncate(end.unwrap_or(events.len()));
    }
    bars.saturating_sub(MOST_BARS)
}

/// Returns the place of each event, from left to right, and the end of the last.
fn places(events: &[Event], left: usize) -> Vec<usize> {
    let mut place = left;
    let mut places = Vec::with_capacity(events.len() + 1);
    for (index, event) in events.iter().enumerate() {
        let slept = index > 0 && has_slept(event);
        // Green threads that are woken at the same time stand at one place.
        let again = index > 0 && slept && {
            let last = &events[index - 1];
            has_slept(last) && last.at == event.at
        };
        place += match (index, again, slept) {
            (0, ..) | (_, true, _) => 0,
            (_, _, true) => PAUSE,
            _ => STEP,
        };
        places.push(place);
    }
    places.push(place + STEP);
    places
}

/// Returns `true` if no green thread ran before this event.
fn has_slept(event: &Event) -> bool {
    Kind::of(event.what).is_some_and(|(cause, _)| !matches!(cause, Cause::Thread(_)))
}

struct Picture<'a> {
    timeline: &'a Timeline,
    events: Vec<Event>,
    places: Vec<usize>,
    lanes: BTreeMap<u64, usize>,
    labels: Vec<String>,
    story: Story,
    out: String,
}

impl Picture<'_> {
    /// Returns the middle of a green thread's lane, if it has one.
    fn lane(&self, thread: u64) -> Option<usize> {
        let lane = *self.lanes.get(&thread)?;
        (lane < self.labels.len()).then_some(TOP + lane * LANE_HEIGHT + LANE_HEIGHT / 2)
    }

    fn colour(&self, thread: u64) -> &'static str {
        colour(self.lanes.get(&thread).copied().unwrap_or(0))
    }

    fn bottom(&self) -> usize {
        TOP + self.labels.len() * LANE_HEIGHT
    }

    /// Draws the frame, the names of the lanes, and the legend.
    fn open(&mut self, bars_left_out: usize, lanes_left_out: usize) {
        let width = self.places.last().map_or(0, |place| place + MARGIN).max(560);
        let height = self.bottom() + 36;
        let _ = write!(
            self.out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif">
<style>.name {{ font-size: 13px; font-weight: 600 }} .note {{ font-size: 10px; fill: #666 }} .line {{ fill: none; stroke-width: 1.5 }} .waits {{ stroke-dasharray: 1 4; stroke-linecap: round }} .time {{ stroke: #bbb; stroke-dasharray: 2 3 }} .wakes {{ stroke: #333; stroke-width: 1.2; fill: none }} .clock {{ stroke: #999 }}</style>
<rect width="{width}" height="{height}" rx="6" fill="#fff"/>
"##
        );
        for (lane, label) in self.labels.iter().enumerate() {
            let _ = writeln!(
                self.out,
                r#"<text class="name" x="{MARGIN}" y="{}" fill="{}">{}</text>"#,
                TOP + lane * LANE_HEIGHT + LANE_HEIGHT / 2 + 4,
                colour(lane),
                escaped(label)
            );
        }
        let mut legend = "bar: runs · line: could run · dots: waits · circle: is spawned · \
                          arrow: is woken · cross: is to be unwound · not to scale"
            .to_owned();
        if bars_left_out > 0 {
            let _ = write!(legend, " · {bars_left_out} more bars are left out");
        }
        if lanes_left_out > 0 {
            let _ = write!(legend, " · {lanes_left_out} more green threads are left out");
        }
        let y = self.bottom() + 22;
        let _ = writeln!(self.out, r#"<text class="note" x="{MARGIN}" y="{y}">{legend}</text>"#);
    }

    /// Draws the time at the start, and wherever the runtime has slept.
    fn times(&mut self) {
        let bottom = self.bottom();
        let mut last = None;
        for (event, &place) in self.events.iter().zip(&self.places) {
            let is_far = last.is_none_or(|last| place >= last + TIME_DISTANCE);
            let is_new = last.is_none() || has_slept(event) || !self.timeline.recording.is_virtual;
            if !is_new || last == Some(place) || (!is_far && !has_slept(event)) {
                continue;
            }
            let time = duration(event.at - self.timeline.start());
            let line = TOP - 8;
            let _ = writeln!(
                self.out,
                r#"<path class="time" d="M{place} {line}V{bottom}"/><text class="note" x="{place}" y="{}" text-anchor="middle">{time}</text>"#,
                line - 6
            );
            last = Some(place);
        }
    }

    /// Draws bars and lines.
    fn parts(&mut self) {
        for part in &self.story.parts {
            let Some(y) = self.lane(part.thread) else { continue };
            let (from, to) = (self.places[part.from], self.places[part.to]);
            let colour = self.colour(part.thread);
            let _ = match part.doing {
                Doing::Running => {
                    let (top, width) = (y - BAR_HEIGHT / 2, to - from);
                    writeln!(
                        self.out,
                        r#"<rect x="{from}" y="{top}" width="{width}" height="{BAR_HEIGHT}" rx="3" fill="{colour}"/>"#
                    )
                }
                Doing::Ready => {
                    writeln!(
                        self.out,
                        r#"<path class="line" d="M{from} {y}H{to}" stroke="{colour}"/>"#
                    )
                }
                Doing::Waiting => {
                    let note = self.waiting(part, to - from);
                    let above = y - 5;
                    writeln!(
                        self.out,
                        r#"<path class="line waits" d="M{} {y}H{to}" stroke="{colour}"/><text class="note" x="{}" y="{above}">{note}</text>"#,
                        from + 3,
                        from + 4
                    )
                }
            };
        }
    }

    /// Returns the note of a wait, as long as there is room for.
    fn waiting(&self, part: &Part, width: usize) -> String {
        let Happened::Waits(awaited, at) = self.events[part.from].what else {
            return String::new();
        };
        let (text, short) = (self.timeline.waiting(awaited), self.timeline.awaited(awaited));
        let shortest = self.timeline.awaited_name(awaited).unwrap_or_default().to_owned();
        let title = format!("{text} at {at}");
        let room = width.saturating_sub(STEP) / NOTE_CHARACTER;
        let fits = |text: &String| text.chars().count() <= room;
        let text = [text, short, shortest].into_iter().find(fits).unwrap_or_default();
        format!("{}<title>{}</title>", escaped(&text), escaped(&title))
    }

    /// Draws arrows from bars to lanes, and from the time to lanes.
    fn links(&mut self) {
        for link in &self.story.links {
            let Some(to) = self.lane(link.thread) else { continue };
            let place = self.places[link.event];
            let from = match link.cause {
                Cause::Thread(number) if link.from.is_some() => self.lane(number),
                Cause::Thread(_) => None,
                _ => Some(TOP - 8),
            };
            // A link of a green thread to itself is not drawn.
            let Some(from) = from.filter(|&from| from != to) else { continue };
            let is_down = from < to;
            let class = if link.from.is_some() { "wakes" } else { "wakes clock" };
            let half = BAR_HEIGHT / 2;
            let start = match link.cause {
                Cause::Thread(_) if is_down => from + half,
                Cause::Thread(_) => from - half,
                _ => from,
            };
            let tip = if is_down { to - 3 } else { to + 3 };
            let end = match link.kind {
                Kind::Spawn => {
                    format!(
                        r##"<circle cx="{place}" cy="{to}" r="3.5" class="wakes" style="fill: #fff"/>"##
                    )
                }
                Kind::Wake(_) => {
                    let base = if is_down { tip - 6 } else { tip + 6 };
                    format!(r##"<path d="{}" fill="#333"/>"##, head((place, tip), (place, base)))
                }
                Kind::Interrupt(_) => {
                    format!(r#"<path class="wakes" d="{}"/>"#, cross((place, to), 4))
                }
            };
            let _ =
                writeln!(self.out, r#"<path class="{class}" d="M{place} {start}V{tip}"/>{end}"#);
        }
    }
}
