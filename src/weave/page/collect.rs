//! The executions of a page: their tree, and each step, thread and outcome once.

use std::collections::{BTreeMap, HashMap};
use std::env;

use super::json::{Numbered, quote};
use super::tree::{Key, Tree, taken};
use crate::draw::shortened;
use crate::explore::{CLOCK, Choice};
use crate::weave::failure::Failure;
use crate::weave::recording::{Actor, Recording};
use crate::weave::story::{At, Mark, StepEnd, Story, Teller, Threads, ToldStep, takes};

/// The limits of a page.
const MOST_EXECUTIONS: u64 = 100_000;
const MOST_BYTES: usize = 2 << 20;
/// The most characters of a value.
pub(super) const MOST_VALUE: usize = 200;

/// A green thread, in all executions in which it has the same number and name.
pub(super) struct Lane {
    pub(super) number: u64,
    /// The label in schedules.
    pub(super) label: String,
}

/// Executions with the same result.
pub(super) struct Outcome {
    pub(super) failure: Option<Failure>,
    pub(super) label: String,
    pub(super) count: u64,
    pub(super) schedule: String,
}

pub(super) struct Collection {
    teller: Teller,
    pub(super) tree: Tree,
    pub(super) lanes: Vec<Lane>,
    lane_of: HashMap<(u64, String), usize>,
    /// The steps and the lists of values, as JSON.
    pub(super) steps: Numbered,
    pub(super) values: Numbered,
    /// The values and their names.
    pub(super) strings: Numbered,
    file_of: HashMap<String, u32>,
    /// The names of files.
    pub(super) files: Numbered,
    /// The lines of the files around steps.
    pub(super) lines: BTreeMap<(u32, u32), String>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) executions: u64,
    /// The executions of which the steps are not in the tree.
    pub(super) cut: u64,
    /// A value was longer than a page keeps.
    pub(super) has_long_value: bool,
}

impl Collection {
    pub(super) fn new() -> Collection {
        Collection {
            teller: Teller::new(),
            tree: Tree::new(),
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            steps: Numbered::default(),
            values: Numbered::default(),
            strings: Numbered::default(),
            file_of: HashMap::new(),
            files: Numbered::default(),
            lines: BTreeMap::new(),
            outcomes: Vec::new(),
            executions: 0,
            cut: 0,
            has_long_value: false,
        }
    }

    /// Returns `true` if no further steps fit.
    pub(super) fn is_full(&self) -> bool {
        let bytes = self.tree.len() * 8 + self.steps.bytes + self.values.bytes + self.strings.bytes;
        self.executions - self.cut >= MOST_EXECUTIONS || bytes >= MOST_BYTES
    }

    /// Adds an outcome, or counts it with the one at `index`. Returns its index.
    pub(super) fn outcome(&mut self, index: Option<u32>, new: impl FnOnce() -> Outcome) -> u32 {
        let index = index.unwrap_or_else(|| {
            self.outcomes.push(new());
            self.outcomes.len() as u32 - 1
        });
        self.outcomes[index as usize].count += 1;
        index
    }

    /// Returns the index of a failure, and adds it if it is new.
    pub(super) fn failure(&mut self, failure: Failure) -> u32 {
        let is_like =
            |outcome: &Outcome| outcome.failure.as_ref().is_some_and(|it| it.is_like(&failure));
        let index = self.outcomes.iter().position(is_like).map(|index| index as u32);
        self.outcome(index, || Outcome {
            label: relative(&failure.title()),
            schedule: failure.schedule().to_string(),
            failure: Some(failure),
            count: 0,
        })
    }

    /// Adds an execution with its steps. Returns the last node.
    pub(super) fn add(&mut self, story: &Story, outcome: u32) -> u32 {
        let node = self.add_steps(story.recording(), story.threads());
        self.executions += 1;
        self.tree.end(node, outcome, story.wrong(), false);
        node
    }

    /// Adds an execution without its steps. Returns the last node that it has in the tree.
    pub(super) fn add_cut(&mut self, choices: &[Choice], outcome: u32) -> u32 {
        let node = self.tree.known_by_choices(choices);
        self.executions += 1;
        self.cut += 1;
        // mistake: page-cut-unsaid
        self.tree.end(node, outcome, None, true);
        node
    }

    /// Adds the steps of an execution. Returns the last node.
    pub(super) fn add_steps(&mut self, recording: &Recording, threads: &Threads) -> u32 {
        let keys: Vec<Key> = recording
            .steps()
            .map(|step| {
                let number = match step.actor {
                    Actor::Thread(number) => number,
                    Actor::Clock(_) | Actor::Outside => CLOCK,
                };
                let chosen = step.is_choice.then_some(number as u32);
                chosen.into_iter().chain(takes(step).into_iter().map(taken)).collect()
            })
            .collect();
        let (mut node, from) = self.tree.known(&keys);
        let told = self.teller.tell(recording, threads, from);
        for (step, key) in told.iter().zip(keys.into_iter().skip(from)) {
            let number = self.step(step, threads);
            let values = self.values_of(step);
            node = self.tree.add(node, key, number, values);
        }
        node
    }

    fn lane(&mut self, number: u64, threads: &Threads) -> usize {
        let label = threads.label(number);
        // Of equal names, each execution labels those by number of which it has two.
        let name = if label.starts_with('#') { String::new() } else { label.to_owned() };
        let known = self.lane_of.get(&(number, name.clone())).copied();
        known.unwrap_or_else(|| {
            let lane = self.lanes.len();
            self.lanes.push(Lane { number, label: label.to_owned() });
            self.lane_of.insert((number, name), lane);
            lane
        })
    }

    /// Returns the number of a step.
    fn step(&mut self, step: &ToldStep, threads: &Threads) -> u32 {
        let actor = match step.actor {
            Actor::Thread(number) => self.lane(number, threads).to_string(),
            Actor::Clock(_) => "-1".to_owned(),
            Actor::Outside => "-2".to_owned(),
        };
        let mut text = format!("{{\"a\":{actor}");
        if step.is_choice {
            text.push_str(",\"c\":1");
        }
        if !step.takes.is_empty() {
            text.push_str(&format!(",\"t\":{:?}", step.takes));
        }
        let marks: Vec<String> = step
            .marks
            .iter()
            .map(|(number, mark)| {
                let sign = match mark {
                    Mark::Spawned => 's',
                    Mark::Woken => 'w',
                    Mark::Interrupted => 'x',
                };
                format!("[{},\"{sign}\"]", self.lane(*number, threads))
            })
            .collect();
        if !marks.is_empty() {
            text.push_str(&format!(",\"m\":[{}]", marks.join(",")));
        }
        let end = match step.end {
            StepEnd::Ready => "",
            StepEnd::Waits => ",\"e\":\"w\"",
            StepEnd::Ended => ",\"e\":\"e\"",
            StepEnd::Open => ",\"e\":\"o\"",
        };
        text.push_str(end);
        text.push_str(",\"l\":[");
        for (index, (words, place)) in step.lines.iter().enumerate() {
            text.push_str(if index > 0 { ",[" } else { "[" });
            quote(&mut text, words);
            if let Some(at) = place {
                let file = self.place(at);
                text.push_str(&format!(",{file},{}", at.line));
            }
            text.push(']');
        }
        text.push_str("]}");
        self.steps.number(&text)
    }

    /// Returns the number of the file of a place, and keeps the lines around it.
    fn place(&mut self, at: &At) -> u32 {
        let file = match self.file_of.get(&at.file) {
            Some(&file) => file,
            None => {
                let file = self.files.number(&relative(&at.file));
                self.file_of.insert(at.file.clone(), file);
                file
            }
        };
        if !self.lines.contains_key(&(file, at.line))
            || !self.lines.contains_key(&(file, at.line + 1))
        {
            for (line, text) in self.teller.around(at) {
                self.lines.entry((file, line)).or_insert(text);
            }
        }
        file
    }

    /// Returns the number of the values of a step plus one; 0 if there are none.
    fn values_of(&mut self, step: &ToldStep) -> u32 {
        if step.values.is_empty() {
            return 0;
        }
        let mut pairs = Vec::new();
        for (name, value) in &step.values {
            let short = shortened(value, MOST_VALUE);
            self.has_long_value |= short != *value;
            let pair = [self.strings.number(name), self.strings.number(&short)];
            pairs.extend(pair.map(|number| number.to_string()));
        }
        self.values.number(&format!("[{}]", pairs.join(","))) + 1
    }
}

/// Returns a text without the folder in which the program runs, so that a page is the same everywhere.
pub(super) fn relative(text: &str) -> String {
    let folders = [
        env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned()),
        env::var("CARGO_MANIFEST_DIR").ok(),
    ];
    let mut text = text.to_owned();
    for folder in folders.into_iter().flatten().filter(|folder| folder.len() > 1) {
        text = text.replace(&format!("{folder}/"), "");
    }
    text
}
