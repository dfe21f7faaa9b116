//! A timeline in Chrome's trace event format ("Trace Event Format", the document
//! that chrome://tracing links to).

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Timeline;
use super::story::{self, Doing, Kind, Link, Part, Story};
use crate::draw::duration;
use crate::inspect::debug::{Event, Happened};
use crate::kernel::Outcome;

/// The number of the only process of a trace.
const PROCESS: u32 = 1;

/// Writes the timeline.
pub(super) fn write(timeline: &Timeline, out: &mut impl Write) -> io::Result<()> {
    let events = story::events(timeline);
    let times = drawn_times(timeline, &events);
    let trace = Trace { timeline, story: &Story::of(&events), events: &events, times: &times };
    out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
    write!(out, r#"{{"ph":"M","pid":{PROCESS},"name":"process_name","args":{{"name":"leno"}}}}"#)?;
    for number in timeline.recording.threads.keys() {
        out.write_all(trace.track(*number).as_bytes())?;
    }
    // Viewers expect earlier beginnings first, and an outer part before an inner one.
    let mut lines: Vec<(u64, String)> = Vec::new();
    for part in &trace.story.parts {
        lines.push((times[part.from], trace.part(part)));
    }
    for (id, link) in trace.story.links.iter().enumerate() {
        trace.link(id, link, &mut lines);
    }
    for (index, event) in events.iter().enumerate() {
        if let Happened::Fails { panicked } = event.what {
            let name = if panicked { "panics" } else { "is unwound" };
            lines.push((times[index], trace.instant(times[index], event.thread, name)));
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    for (_, line) in lines {
        out.write_all(line.as_bytes())?;
    }
    out.write_all(b"\n]}\n")
}

/// Returns the time at which each event is drawn, in nanoseconds since the start, and the end of the
/// last. No two times are equal, so that every part has a length and every arrow a beginning.
fn drawn_times(timeline: &Timeline, events: &[Event]) -> Vec<u64> {
    let step = if timeline.recording.is_virtual { 1_000 } else { 1 };
    let mut times = Vec::with_capacity(events.len() + 1);
    let mut earliest = 0;
    for event in events {
        let time = (event.at - timeline.start()).max(earliest);
        times.push(time);
        earliest = time + step;
    }
    times.push(earliest);
    times
}

struct Trace<'a> {
    timeline: &'a Timeline,
    story: &'a Story,
    events: &'a [Event],
    times: &'a [u64],
}

impl Trace<'_> {
    /// Returns the record that names the track of a green thread.
    fn track(&self, number: u64) -> String {
        let name = quoted(&match self.timeline.label(number) {
            label if label.ends_with(&format!("#{number}")) => label,
            label => format!("{label} #{number}"),
        });
        let spawned_at =
            self.timeline.recording.threads.get(&number).map(|thread| thread.spawned_at);
        let spawned_at = quoted(&spawned_at.map_or_else(String::new, ToString::to_string));
        format!(
            concat!(
                ",\n",
                r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"thread_name","#,
                r#""args":{{"name":{name},"spawned at":{at}}}}},"#,
                "\n",
                r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"thread_sort_index","#,
                r#""args":{{"sort_index":{tid}}}}}"#,
            ),
            pid = PROCESS,
            tid = number,
            name = name,
            at = spawned_at,
        )
    }

    /// Returns a part as a complete event.
    fn part(&self, part: &Part) -> String {
        let (category, name, place) = match (part.doing, self.events[part.from].what) {
            (Doing::Waiting, Happened::Waits(awaited, at)) => {
                ("waits", self.timeline.waiting(awaited), Some(at.to_string()))
            }
            (Doing::Ready, _) => ("ready", "could run".to_owned(), None),
            _ => ("runs", "runs".to_owned(), None),
        };
        let mut arguments = format!("\"since\":{}", quoted(&self.clock(part.from)));
        if let Some(place) = place {
            let _ = write!(arguments, ",\"at\":{}", quoted(&place));
        }
        let (from, to) = (self.times[part.from], self.times[part.to]);
        format!(
            concat!(
                ",\n",
                r#"{{"ph":"X","pid":{pid},"tid":{tid},"ts":{ts},"dur":{dur},"#,
                r#""cat":"{category}","name":{name},"args":{{{arguments}}}}}"#
            ),
            pid = PROCESS,
            tid = part.thread,
            ts = microseconds(from),
            dur = microseconds(to - from),
            category = category,
            name = quoted(&name),
            arguments = arguments,
        )
    }

    /// Returns the time of an event by the runtime's clock.
    fn clock(&self, index: usize) -> String {
        duration(self.events[index].at - self.timeline.start())
    }

    /// Adds a mark for a link, and an arrow if both green threads run.
    fn link(&self, id: usize, link: &Link, lines: &mut Vec<(u64, String)>) {
        let time = self.times[link.event];
        let cause = self.timeline.cause(link.cause);
        let what = match link.kind {
            Kind::Spawn => "is spawned by",
            Kind::Wake(Outcome::Woken) => "is woken by",
            Kind::Wake(Outcome::Elapsed) => "has waited long enough, says",
            Kind::Wake(Outcome::Interrupted) => "is woken to be unwound by",
            Kind::Interrupt(why) => why,
        };
        let mark = match link.kind {
            Kind::Interrupt(_) => format!("{what} by {cause}"),
            _ => format!("{what} {cause}"),
        };
        lines.push((time, self.instant(time, link.thread, &mark)));
        let (Some(from), Some(to)) = (link.from, link.to) else { return };
        let (from, to) = (&self.story.parts[from], &self.story.parts[to]);
        let name = if link.kind == Kind::Spawn { "spawns" } else { "wakes" };
        let mut arrow = |phase, time, thread| {
            let line = format!(
                concat!(
                    ",\n",
                    r#"{{"ph":{phase},"id":{id},"pid":{pid},"tid":{tid},"ts":{ts},"#,
                    r#""cat":"link","name":"{name}"}}"#
                ),
                phase = phase,
                id = id,
                pid = PROCESS,
                tid = thread,
                ts = microseconds(time),
                name = name,
            );
            lines.push((time, line));
        };
        arrow(r#""s""#, time, from.thread);
        // The end of the arrow is bound to the part that begins there.
        arrow(r#""f","bp":"e""#, self.times[to.from], to.thread);
    }

    /// Returns an instant event.
    fn instant(&self, time: u64, thread: u64, name: &str) -> String {
        format!(
            concat!(
                ",\n",
                r#"{{"ph":"i","s":"t","pid":{pid},"tid":{tid},"ts":{ts},"#,
                r#""cat":"event","name":{name}}}"#
            ),
            pid = PROCESS,
            tid = thread,
            ts = microseconds(time),
            name = quoted(name),
        )
    }
}

/// Formats nanoseconds in microseconds, the unit of the format.
fn microseconds(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1_000, nanos % 1_000)
}

/// Formats a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
