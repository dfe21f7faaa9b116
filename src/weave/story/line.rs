//! The lines of a story, in text and in pictures.

use std::collections::BTreeMap;

use crate::weave::report::grouped;

/// A line of a story.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The number of the choice, if there was one.
    pub(super) turn: Option<u64>,
    /// The lane of the green thread; `None` if time passes.
    pub(super) lane: Option<usize>,
    pub(super) words: String,
    pub(super) place: Option<At>,
    pub(super) source: Option<String>,
    /// The effects on other green threads, by their lanes.
    pub(super) marks: BTreeMap<usize, Mark>,
    /// The states of all green threads, by their lanes.
    pub(super) states: Vec<State>,
    /// This line went wrong.
    pub(super) is_wrong: bool,
    /// This line may be the cause.
    pub(super) is_odd: bool,
    /// This line belongs to the same step as the line before.
    pub(super) goes_on: bool,
}

/// A file and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::weave) struct At {
    pub(in crate::weave) file: String,
    pub(in crate::weave) line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weave) enum Mark {
    Spawned,
    Woken,
    /// The green thread is cancelled.
    Interrupted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not spawned yet, or ended.
    #[default]
    Absent,
    Ready,
    Waits,
}

/// A part of a story.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Step(Vec<Line>),
    /// The number of steps before this that are repeated, how often they occur in all, and the
    /// number of the last choice.
    Again {
        steps: usize,
        times: usize,
        last_turn: u64,
        is_endless: bool,
    },
    LeftOut {
        steps: usize,
    },
}

impl Part {
    /// Returns the text for steps that are not shown.
    pub(super) fn aside(&self) -> Option<String> {
        match self {
            Part::Step(_) => None,
            Part::Again { steps, times, last_turn, is_endless } => {
                let turn = match last_turn {
                    0 => String::new(),
                    turn => format!(", to turn {}", grouped(*turn)),
                };
                let what = match steps {
                    1 => "this step".to_owned(),
                    _ => format!("these {steps} steps"),
                };
                let end = if *is_endless { ", and no end" } else { "" };
                Some(format!("{what} x {}{turn}{end}", grouped(*times as u64)))
            }
            Part::LeftOut { steps: 1 } => Some("1 step is left out".to_owned()),
            Part::LeftOut { steps } => {
                Some(format!("{} steps are left out", grouped(*steps as u64)))
            }
        }
    }
}

/// The green threads of a story: their numbers, in ascending order, and their labels. The index
/// of a green thread is its lane.
#[derive(Clone, Debug, Default)]
pub(in crate::weave) struct Threads {
    pub(in crate::weave) numbers: Vec<u64>,
    pub(in crate::weave) labels: Vec<String>,
}

impl Threads {
    /// Returns the lane of a green thread.
    pub(super) fn lane(&self, number: u64) -> Option<usize> {
        self.numbers.binary_search(&number).ok()
    }

    pub(in crate::weave) fn label(&self, number: u64) -> &str {
        self.lane(number).map_or("another", |lane| &self.labels[lane])
    }
}

/// Returns all lines of a story.
pub(super) fn lines(parts: &[Part]) -> impl Iterator<Item = &Line> {
    parts.iter().flat_map(|part| match part {
        Part::Step(lines) => lines.as_slice(),
        _ => &[],
    })
}

/// Returns the lanes that have a line or a mark, in ascending order. Other green threads have no
/// part in the story, so they get no column.
pub(super) fn used_lanes(parts: &[Part]) -> Vec<usize> {
    let mut used: Vec<usize> = lines(parts)
        .flat_map(|line| line.lane.into_iter().chain(line.marks.keys().copied()))
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}
