//! The deadlock report, and other texts about what threads wait for.

#![forbid(unsafe_code)]

use std::fmt::{self, Write};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wait_graph::{self, Step};
use crate::kernel::{Alternatives, ControlBlock, Need, Resource, WaitFor, Want};

/// What one green thread waits for.
pub(crate) struct Waiting {
    pub(crate) what: String,
    pub(crate) at: &'static Location<'static>,
    /// The holder; the line of creation, if the resource has no name.
    pub(crate) notes: Vec<Note>,
}

/// A line below the line about what is waited for.
pub(crate) struct Note {
    text: String,
    place: Option<(&'static str, &'static Location<'static>)>,
}

/// One line of a report: a thread, a text, and a place with a word before it.
pub(crate) struct Line {
    thread: String,
    what: String,
    place: Option<(&'static str, &'static Location<'static>)>,
}

/// Lines with aligned columns.
pub(crate) struct Table(Vec<Line>);

/// The beginning of the report of a deadlock.
pub(crate) const DEADLOCK: &str =
    "deadlock: every green thread waits, and nothing is left that could wake one";

/// Returns the report of a deadlock of these threads.
pub(crate) fn deadlock(all: &[&ControlBlock]) -> String {
    let mut report = String::from(DEADLOCK);
    let mut table = Table::new();
    for control in all {
        let waiting = waiting(control, all);
        table.add(control, "waits for", waiting.as_ref());
    }
    let _ = write!(report, "{table}");
    add_cycles(&mut report, all, |_| true);
    report
}

/// Adds the cycles that have one of the `wanted` threads.
pub(super) fn add_cycles(
    report: &mut String,
    all: &[&ControlBlock],
    wanted: impl Fn(&ControlBlock) -> bool,
) {
    for cycle in wait_graph::find(all) {
        if !cycle.iter().any(|step| wanted(step.thread)) {
            continue;
        }
        add_cycle(report, &cycle);
    }
}

fn add_cycle(report: &mut String, cycle: &[Step<'_>]) {
    report.push_str("\n  cycle: ");
    for (index, step) in cycle.iter().enumerate() {
        let next = cycle[(index + 1) % cycle.len()].thread;
        if index == 0 {
            report.push_str(&label(step.thread));
        }
        match step.holds {
            None => {
                let _ = write!(report, " -> {}", label(next));
            }
            Some(need) => {
                let _ = write!(report, " -> {} held by {}", wanted_of(need), label(next));
            }
        }
    }
}

/// Returns the report of a cycle while other threads may go on. `all` are the threads of the runtime.
pub(super) fn partial_deadlock(cycle: &[Step<'_>], all: &[&ControlBlock]) -> String {
    let mut report = match cycle.len() {
        1 => "deadlock: a green thread waits for itself".to_owned(),
        count => format!("deadlock: {count} green threads wait for each other"),
    };
    report.push_str(", and only a cancellation can end that; the rest of the program goes on");
    let mut table = Table::new();
    for step in cycle {
        table.add(step.thread, "waits for", waiting(step.thread, all).as_ref());
    }
    let _ = write!(report, "{table}");
    add_cycle(&mut report, cycle);
    report
}

impl Table {
    pub(crate) fn new() -> Table {
        Table(Vec::new())
    }

    pub(super) fn add(&mut self, control: &ControlBlock, verb: &str, waiting: Option<&Waiting>) {
        let nothing = "nothing".to_owned();
        let what = waiting.map_or(&nothing, |waiting| &waiting.what);
        let place = waiting.map(|waiting| ("at", waiting.at));
        self.push(label(control), format!("{verb} {what}"), place);
        self.add_notes(waiting);
        if let Some(spawned) = spawned(control) {
            self.push(String::new(), spawned, Some(("at", control.spawned_at())));
        }
    }

    pub(crate) fn add_notes(&mut self, waiting: Option<&Waiting>) {
        for note in waiting.into_iter().flat_map(|waiting| &waiting.notes) {
            self.push(String::new(), note.text.clone(), note.place);
        }
    }

    /// Adds a line. `thread` is empty if the name stands in a line above.
    pub(crate) fn push(
        &mut self,
        thread: String,
        what: String,
        place: Option<(&'static str, &'static Location<'static>)>,
    ) {
        self.0.push(Line { thread, what, place });
    }
}

/// Each line begins with a line break.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Line) -> usize| self.0.iter().map(column).max().unwrap_or(0);
        let thread_width = width(|line| line.thread.chars().count());
        let what_width =
            width(|line| if line.place.is_some() { line.what.chars().count() } else { 0 });
        let word_width = width(|line| line.place.map_or(0, |(word, _)| word.len()));
        for Line { thread, what, place } in &self.0 {
            write!(f, "\n  {thread:thread_width$}  ")?;
            match place {
                None => f.write_str(what)?,
                Some((word, place)) => {
                    write!(f, "{what:what_width$}  {word:>word_width$} {place}")?
                }
            }
        }
        Ok(())
    }
}

/// Returns a green thread's name and number.
pub(crate) fn label(control: &ControlBlock) -> String {
    let number = control.number();
    match control.name() {
        _ if number == 1 => "main".to_owned(),
        Some(name) => format!("'{name}' (#{number})"),
        None if control.scheduler().is_controlled() => letters(number),
        None => format!("#{number}"),
    }
}

/// Returns the name that schedules and stories give to a thread without a name: `A` for number
/// 2, `Z` for 27, then `AA`.
pub(crate) fn letters(number: u64) -> String {
    if number < 2 {
        return "main".to_owned();
    }
    let mut rest = number - 1;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// Returns "spawned", and the function if the thread has no name; `None` for the main green
/// thread, which is not spawned.
pub(crate) fn spawned(control: &ControlBlock) -> Option<String> {
    match control.name() {
        _ if control.number() == 1 => None,
        Some(_) => Some("spawned".to_owned()),
        None => Some(format!("spawned to run {}", end_of_path(control.body()))),
    }
}

/// Returns the function of a path, and "{{closure}}" if it is a closure in it. The rest of the
/// path says little, and the line of the spawn says more.
fn end_of_path(path: &str) -> String {
    const CLOSURE: &str = "::{{closure}}";
    if path.starts_with("fn(") {
        // A pointer to a function, which has no name here.
        return path.to_owned();
    }
    let function = path.trim_end_matches(CLOSURE);
    let closure = if function == path { "" } else { CLOSURE };
    // A `::` between the brackets of generic arguments does not count.
    let mut depth = 0;
    let mut start = 0;
    let bytes = function.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' => depth += 1,
            b')' => depth -= 1,
            b'>' if bytes[at - 1] != b'-' => depth -= 1,
            b':' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    format!("{}{closure}", &function[start..])
}

/// Returns what `control` waits for, in words.
pub(crate) fn waiting(control: &ControlBlock, all: &[&ControlBlock]) -> Option<Waiting> {
    let wait = control.waits_for()?;
    let mut notes = Vec::new();
    let what = match wait.what() {
        WaitFor::Resource(need) => {
            if need.resource.name().is_none() {
                let place = Some(("at", need.resource.made_at()));
                notes.push(Note { text: "which was made".to_owned(), place });
            }
            notes.extend(holders(need, "", all));
            wanted_of(need)
        }
        WaitFor::Any(alternatives) => any_of(&mut notes, *alternatives, all),
        what => wanted_by(what),
    };
    Some(Waiting { what, at: wait.line(), notes })
}

/// Returns what is waited for, in words: "the end of green thread 'reader'".
fn wanted_by(wait: WaitFor<'_>) -> String {
    match wait {
        WaitFor::Unpark => "unpark".to_owned(),
        WaitFor::Sleep => "the end of its sleep".to_owned(),
        WaitFor::Future(None) => "a future".to_owned(),
        WaitFor::Future(Some(begun)) => of_closure(begun).to_owned(),
        WaitFor::Join(target) => format!("the end of {}", label(target)),
        WaitFor::Scope(_) => "the end of its scope's green threads".to_owned(),
        WaitFor::AllEnded => "the end of all green threads".to_owned(),
        WaitFor::Stalled => "all green threads to wait".to_owned(),
        WaitFor::Resource(need) => wanted_of(need),
        WaitFor::Any(_) => "any of several".to_owned(),
        WaitFor::External(external) => format!("{} {}", external.wanted(), external.object()),
    }
}

/// Returns what a thread waits for that has a closure run on another OS thread.
pub(crate) fn of_closure(begun: &AtomicBool) -> &'static str {
    if begun.load(Ordering::Relaxed) {
        "the end of a closure in unblock"
    } else {
        "a free OS thread of the pool of unblock"
    }
}

/// Returns the words for a wait for any of several, and adds a note for each.
fn any_of(notes: &mut Vec<Note>, alternatives: Alternatives<'_>, all: &[&ControlBlock]) -> String {
    let alternatives = alternatives.as_written();
    if alternatives.is_empty() {
        return "any of no operations: nothing ends that".to_owned();
    }
    for &wait in &alternatives {
        let unnamed = wait.need().filter(|need| need.resource.name().is_none());
        let place = unnamed.map(|need| ("made at", need.resource.made_at()));
        notes.push(Note { text: format!("- {}", wanted_by(wait)), place });
        notes.extend(wait.need().into_iter().flat_map(|need| holders(need, "  ", all)));
    }
    if alternatives.len() == 1 { "this".to_owned() } else { "any of these".to_owned() }
}

/// Returns what is wanted: "a message from channel 'orders'".
pub(crate) fn wanted_of(need: Need<'_>) -> String {
    let title = title(need.resource);
    match need.what {
        Want::Itself => title,
        what => format!("{} {title}", what.words()),
    }
}

/// Returns a resource's kind and name: "channel 'orders'", "a mutex".
pub(crate) fn title(resource: &Resource) -> String {
    let kind = resource.kind();
    match resource.name() {
        Some(name) => format!("{kind} '{name}'"),
        None => format!("{} {kind}", article(kind)),
    }
}

fn article(noun: &str) -> &'static str {
    // As in "a once cell".
    let is_vowel = noun.starts_with(['a', 'e', 'i', 'o']) && !noun.starts_with("once");
    if is_vowel { "an" } else { "a" }
}

/// The most holders of a resource that a report names.
const MOST_HOLDERS: usize = 3;

/// Returns notes about the holders.
fn holders(need: Need<'_>, indent: &str, all: &[&ControlBlock]) -> Vec<Note> {
    let holders = need.resource.holders();
    let mut notes = Vec::new();
    if matches!(need.what, Want::Share) && need.resource.holder().is_none() && !holders.is_empty() {
        let text = format!("{indent}behind a thread that waits to write");
        notes.push(Note { text, place: None });
    }
    for holder in holders.iter().take(MOST_HOLDERS) {
        let thread = match wait_graph::index_of(all, holder.number) {
            Some(index) => label(all[index]),
            None if holder.number == 0 => "somebody outside the runtime".to_owned(),
            None => format!("#{}, which has ended,", holder.number),
        };
        let text = format!("{indent}held by {thread}");
        notes.push(Note { text, place: Some(("since", holder.at)) });
    }
    if holders.len() > MOST_HOLDERS {
        let text = format!("{indent}and {} more", holders.len() - MOST_HOLDERS);
        notes.push(Note { text, place: None });
    }
    notes
}

/// A duration, shown with about three digits.
pub(crate) struct Age(pub(crate) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 if self.0.is_zero() => f.write_str("0 s"),
            0 if self.0.as_millis() == 0 => write!(f, "{} µs", self.0.as_micros()),
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 => write!(f, "{:.1} s", (self.0.as_millis() / 100) as f64 / 10.0),
            10..120 => write!(f, "{seconds} s"),
            120..7_200 => write!(f, "{} min", seconds / 60),
            7_200..172_800 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_is_named_after_its_function() {
        for (path, expected) in [
            ("demo::main::{{closure}}", "main::{{closure}}"),
            ("demo::room::serve::{{closure}}::{{closure}}", "serve::{{closure}}"),
            ("demo::a::b::c", "c"),
            ("main", "main"),
            ("", ""),
            ("demo::run<std::vec::Vec<u8>>::{{closure}}", "run<std::vec::Vec<u8>>::{{closure}}"),
            ("fn(std::a::B) -> std::a::C", "fn(std::a::B) -> std::a::C"),
            (
                "alloc::boxed::Box<dyn core::ops::FnOnce() -> u8>",
                "Box<dyn core::ops::FnOnce() -> u8>",
            ),
        ] {
            assert_eq!(end_of_path(path), expected);
        }
    }

    #[test]
    fn durations_have_few_digits() {
        for (nanos, expected) in [
            (0, "0 s"),
            (999, "0 µs"),
            (1_500_000, "1 ms"),
            (1_990_000_000, "1.9 s"),
            (59_900_000_000, "59 s"),
            (3_600_000_000_000, "60 min"),
            (90_000_000_000_000, "25 h"),
            (864_000_000_000_000, "10 d"),
        ] {
            assert_eq!(Age(Duration::from_nanos(nanos)).to_string(), expected);
        }
    }
}
