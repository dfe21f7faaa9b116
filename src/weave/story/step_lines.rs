//! The lines of one step: the actions in words, and their places.

use std::path::Path;

use super::line::{At, Line, Mark};
use super::source::Way;
use super::state::{StoryState, ThreadState};
use crate::draw::{duration, shortened};
use crate::inspect::std_files::is_of_std;
use crate::weave::recording::{Action, Actor, Awaited, End, Place, Step, Thing};

/// The most lines of a step.
const MOST_LINES: usize = 40;
/// The most consecutive spawns that are listed.
const MOST_SPAWNED: usize = 4;
/// The most characters of a panic message. The whole message stands above the story.
const MOST_MESSAGE: usize = 60;
/// The most characters of a value.
const MOST_VALUE: usize = 32;
/// The verb of an operation on several things.
const SELECT: &str = "select on";

pub(super) struct StepLines<'t, 'a> {
    state: &'t mut StoryState<'a>,
    /// The index of the step in the execution.
    place: usize,
    step: &'t Step,
    lane: Option<usize>,
    lines: Vec<Line>,
    /// The thing of the last line's operation.
    operated: Option<&'t Thing>,
    /// The number of equal operations in the last line.
    times: usize,
    /// The label of the first of consecutive spawns, and their number.
    spawned: (String, usize),
}

impl<'t, 'a> StepLines<'t, 'a> {
    pub(super) fn new(
        state: &'t mut StoryState<'a>,
        place: usize,
        step: &'t Step,
    ) -> StepLines<'t, 'a> {
        let lane = match step.actor {
            Actor::Thread(number) => state.threads.lane(number),
            Actor::Clock(_) | Actor::Outside => None,
        };
        StepLines {
            state,
            place,
            step,
            lane,
            lines: Vec::new(),
            operated: None,
            times: 0,
            spawned: (String::new(), 0),
        }
    }

    /// Returns the lines.
    pub(super) fn finish(mut self) -> Vec<Line> {
        match self.step.actor {
            Actor::Clock(nanos) => {
                self.say(format!("{} pass", duration(nanos)), None);
            }
            Actor::Outside => self.say("another OS thread".to_owned(), None),
            Actor::Thread(number) if self.state.threads.lane(number).is_none() => {}
            Actor::Thread(_) => self.begin(),
        }
        if self.step.is_choice {
            self.state.turn += 1;
            let turn = self.state.turn;
            self.first().turn = Some(turn);
        }
        for (index, action) in self.step.actions.iter().enumerate() {
            self.action(index, action);
        }
        if let Some(end) = &self.step.end {
            self.end(end);
        }
        self.fill();
        self.shorten();
        self.lines
    }

    /// Leaves out the middle of a long step.
    fn shorten(&mut self) {
        let Some(more) = self.lines.len().checked_sub(MOST_LINES + 1) else { return };
        let (from, to) = (MOST_LINES / 2, MOST_LINES / 2 + more + 1);
        let words = format!("… {} more …", more + 1);
        let rest = Line { lane: self.lane, words, goes_on: true, ..Line::default() };
        let removed: Vec<Line> = self.lines.splice(from..to, [rest]).collect();
        let marks = removed.into_iter().flat_map(|line| line.marks);
        self.lines[from].marks.extend(marks);
    }

    fn first(&mut self) -> &mut Line {
        if self.lines.is_empty() {
            self.say(String::new(), None);
        }
        &mut self.lines[0]
    }

    /// Adds a line with these words. If the last line has a turn and no words yet, it takes them.
    fn say(&mut self, words: String, place: Option<At>) {
        let source = place.as_ref().and_then(|at| self.state.sources.line(&at.file, at.line));
        let goes_on = !self.lines.is_empty();
        let line = Line { lane: self.lane, words, place, source, goes_on, ..Line::default() };
        match self.lines.last_mut() {
            Some(last) if last.words.is_empty() && last.place.is_none() => {
                *last = Line { turn: last.turn, marks: last.marks.clone(), goes_on: false, ..line };
            }
            _ => self.lines.push(line),
        }
        self.operated = None;
    }

    /// Appends words to the last line.
    fn add(&mut self, words: &str) {
        if let Some(line) = self.lines.last_mut() {
            line.words += words;
        }
    }

    fn mark(&mut self, number: u64, mark: Mark) {
        let Some(lane) = self.state.threads.lane(number) else { return };
        self.first();
        if let Some(line) = self.lines.last_mut() {
            line.marks.entry(lane).or_insert(mark);
        }
    }

    fn thread(&self) -> Option<&ThreadState> {
        self.state.states.get(self.lane?)
    }

    /// Adds a line if the wait of the last step has ended by its deadline.
    fn begin(&mut self) {
        let Some(thread) = self.thread() else { return };
        if let (Some((what, at)), true) = (&thread.waited, thread.time_is_up) {
            let is_sleep = matches!(what, Awaited::Words(words) if words == "sleeps");
            let at = *at;
            if !is_sleep {
                self.say("time is up".to_owned(), At::of(at));
            }
        }
    }

    /// Adds the words of an action.
    fn action(&mut self, index: usize, action: &'t Action) {
        match action {
            Action::Operates { verb, thing, at, .. } => self.operates(index, verb, thing, *at),
            Action::Spawns(number, at) => {
                let at = At::of(at);
                let label = self.state.threads.label(*number).to_owned();
                let last = self.lines.last();
                let more =
                    last.is_some_and(|line| line.words.starts_with("spawn ") && line.place == at);
                if !more {
                    self.spawned = (label.clone(), 0);
                    self.say(String::from("spawn "), at);
                }
                self.spawned.1 += 1;
                let count = self.spawned.1;
                match (count, self.lines.last_mut()) {
                    (1, Some(line)) => line.words += &label,
                    (2..=MOST_SPAWNED, Some(line)) => line.words += &format!(", {label}"),
                    (_, Some(line)) => {
                        line.words = format!("spawn {count}: {} to {label}", self.spawned.0);
                    }
                    (_, None) => {}
                }
                self.mark(*number, Mark::Spawned);
            }
            Action::Shows(name, at) => {
                self.say(format!("shows {name}"), At::of(at));
                let value = self.value(index, name);
                self.add(&value);
            }
            Action::Wakes(number) => self.mark(*number, Mark::Woken),
            Action::Interrupts(number, why) => {
                if self.lines.last().is_none_or(|line| line.words.is_empty()) {
                    self.say(format!("{}: {why}", self.state.threads.label(*number)), None);
                }
                self.mark(*number, Mark::Interrupted);
            }
            Action::Takes(value, count) => {
                self.say(format!("takes ?{value}, one of {count}"), None);
                self.state.turn += 1;
                if let Some(line) = self.lines.last_mut() {
                    line.turn = line.turn.or(Some(self.state.turn));
                }
            }
            Action::Panics(said) => {
                let message = said.message.lines().next().unwrap_or_default();
                let place = said.place.clone().map(|(file, line)| At { file, line });
                let message = shortened(message, MOST_MESSAGE);
                self.say(format!("panics: {message}"), place);
                if let Some(line) = self.lines.last_mut() {
                    line.is_wrong = true;
                }
            }
            Action::Fails => {}
            Action::Unwinds => self.say("is unwound".to_owned(), None),
            Action::Ends => self.ends(),
            Action::Returns => self.say("returns".to_owned(), None),
        }
    }

    fn operates(&mut self, index: usize, verb: &str, thing: &'t Thing, at: Option<Place>) {
        let at = at.and_then(At::of);
        let is_self = matches!(thing, Thing::Thread(number) if Some(*number) == self.number());
        let name = self.state.name_of(thing);
        let words = match verb {
            _ if is_self => verb.to_owned(),
            "wait" => format!("wait for {name}"),
            _ => format!("{verb} {name}"),
        };
        let is_here = |line: &&Line| line.place == at && line.marks.is_empty();
        let last = self.lines.last().filter(is_here).map(|line| &*line.words);
        let again =
            self.operated == Some(thing) && last.is_some_and(|last| last.starts_with(&words));
        if last.is_some_and(|last| last.starts_with(SELECT)) && verb == SELECT {
            return self.add(&format!(", {name}"));
        }
        self.times = if again { self.times + 1 } else { 1 };
        let times = if again { format!(" x {}", self.times) } else { String::new() };
        let words = format!("{words}{times}{}", self.value(index, &name));
        match self.lines.last_mut() {
            Some(last) if again => last.words = words,
            _ => self.say(words, at),
        }
        self.operated = Some(thing);
        let by = self.number().and_then(|number| self.state.overtaken_by(number, verb, thing));
        if let Some(by) = by {
            let by = self.state.threads.label(by).to_owned();
            self.add(&format!(", though {by} has changed it since"));
            if let Some(line) = self.lines.last_mut() {
                line.is_odd = true;
            }
        }
    }

    /// Returns the words for the value of an action on the thing with this name. Values that are kept
    /// are told beside the words.
    fn value(&mut self, index: usize, name: &str) -> String {
        let Some(value) = self.state.recording.value(self.place, index) else {
            return String::new();
        };
        if let Some(values) = &mut self.state.values {
            values.push((name.to_owned(), value.to_owned()));
            return String::new();
        }
        format!(": {}", shortened(value, MOST_VALUE))
    }

    fn number(&self) -> Option<u64> {
        self.lane.map(|lane| self.state.threads.numbers[lane])
    }

    fn end(&mut self, end: &End) {
        match end {
            End::Yields(at) => {
                self.way(Some(at));
                self.say_at("yields", at);
            }
            End::Preempted(at) if self.is_silent() => {
                self.way(Some(at));
                self.say_at("goes on", at);
            }
            End::Preempted(_) | End::Ends => {}
            End::Waits(what, at) => self.waits(what, at),
        }
    }

    fn is_silent(&self) -> bool {
        self.lines.iter().all(|line| line.words.is_empty())
    }

    fn ends(&mut self) {
        if self.is_silent() {
            self.way(None);
            let has_place = self.lines.iter().any(|line| line.place.is_some());
            if has_place {
                return self.add("ends");
            }
        }
        let is_over =
            self.lines.last().is_some_and(|line| ["is unwound"].contains(&line.words.as_str()));
        match self.lines.last() {
            Some(line) if line.words.starts_with("panics") || is_over => {}
            _ => self.say("ends".to_owned(), None),
        }
    }

    fn waits(&mut self, what: &Awaited, at: Place) {
        let is_here = self.lines.last().is_some_and(|line| line.place == At::of(at));
        let of_the_same = match (what, self.operated) {
            (Awaited::Any(any), Some(operated)) => {
                matches!(any.as_slice(), [(_, thing)] if thing == operated)
            }
            (Awaited::Words(words), Some(operated)) => {
                matches!(operated, Thing::Thread(_)) && words != "sleeps"
            }
            _ => false,
        };
        if let Some(last) = self.lines.last_mut()
            && is_here
            && (of_the_same || last.words.starts_with(SELECT))
        {
            match last.words.strip_prefix("wait for ") {
                Some(name) => last.words = format!("waits for {name}"),
                None => last.words += ": waits",
            }
            return;
        }
        let words = match what {
            Awaited::Words(words) => words.clone(),
            Awaited::Any(any) if any.is_empty() => "waits for nothing".to_owned(),
            Awaited::Any(any) => {
                let wanted = |(need, thing): &(&str, Thing)| {
                    let space = if need.is_empty() { "" } else { " " };
                    format!("{need}{space}{}", self.state.name_of(thing))
                };
                let all: Vec<String> = any.iter().map(wanted).collect();
                format!("waits for {}", all.join(" or "))
            }
        };
        if words == "waits for the others" {
            // The place is the call of the program, which is outside it.
            return self.say(words, None);
        }
        if self.is_silent() {
            self.way(Some(at));
        }
        self.say_at(&words, at);
    }

    /// Adds these words to the line for the place if there is one, and else a new line.
    fn say_at(&mut self, words: &str, at: Place) {
        let at = At::of(at);
        match self.lines.last_mut() {
            Some(last) if last.words.is_empty() && last.place == at => {
                last.words = words.to_owned();
            }
            _ => self.say(words.to_owned(), at),
        }
    }

    /// Adds the source lines between the last place and `to`, if nothing else is known of the
    /// step.
    fn way(&mut self, to: Option<Place>) {
        if !self.is_silent() {
            return;
        }
        let Some(thread) = self.thread() else { return };
        let Some((from, is_new)) = thread.last else { return };
        if to.is_some_and(|to| to.file() != from.file()) {
            return;
        }
        let file = from.file();
        let spawned = thread.spawned.filter(|at| at.file() == file).map(|at| at.line());
        let way = Way { from: from.line(), is_new, to: to.map(|to| to.line()), spawned };
        let lines = self.state.sources.between(file, way);
        for line in lines {
            self.say(String::new(), Some(At { file: file.to_owned(), line }));
        }
    }

    /// Adds a line to a step of which nothing else is known.
    fn fill(&mut self) {
        let has_returned = self.thread().is_some_and(|thread| thread.has_returned);
        let at = self.thread().and_then(|thread| thread.last).and_then(|(place, _)| At::of(place));
        if self.is_silent() && !self.lines.iter().any(|line| line.place.is_some()) {
            match has_returned {
                true => self.say("ends".to_owned(), None),
                false => self.say("goes on".to_owned(), at),
            }
        }
    }
}

impl At {
    /// Returns `None` if `place` is in the standard library, which calls functions of the program.
    fn of(place: Place) -> Option<At> {
        let is_in_std = is_of_std(Path::new(place.file()));
        (!is_in_std).then(|| At { file: place.file().to_owned(), line: place.line() })
    }
}
