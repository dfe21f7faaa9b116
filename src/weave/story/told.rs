//! The steps of an execution, told one by one for a page, which arranges them itself.

use super::line::{At, Line, Mark, Threads};
use super::source::Sources;
use super::state::{StoryState, Unnamed};
use super::step_lines::StepLines;
use crate::weave::recording::{Action, Actor, End, Recording, Step};

/// The lines of the source that are kept before and after a place.
const NEAR: u32 = 4;

/// One step.
#[derive(Clone, Debug)]
pub(in crate::weave) struct ToldStep {
    pub(in crate::weave) actor: Actor,
    /// Another green thread could have had the turn.
    pub(in crate::weave) is_choice: bool,
    /// The alternatives that the step takes, as their indices.
    pub(in crate::weave) takes: Vec<u32>,
    /// The words and the place of each line.
    pub(in crate::weave) lines: Vec<(String, Option<At>)>,
    /// The effects on other green threads, by their numbers.
    pub(in crate::weave) marks: Vec<(u64, Mark)>,
    /// The names and the values of the operations.
    pub(in crate::weave) values: Vec<(String, String)>,
    pub(in crate::weave) end: StepEnd,
}

/// The state of the green thread after its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weave) enum StepEnd {
    Ready,
    Waits,
    Ended,
    /// The execution has ended in this step.
    Open,
}

/// Tells the steps of one execution after another.
pub(in crate::weave) struct Teller {
    sources: Sources,
    unnamed: Unnamed,
}

impl Teller {
    pub(in crate::weave) fn new() -> Teller {
        Teller { sources: Sources::default(), unnamed: Unnamed::always_numbered() }
    }

    /// Returns the steps from the place `from` on.
    pub(in crate::weave) fn tell(
        &mut self,
        recording: &Recording,
        threads: &Threads,
        from: usize,
    ) -> Vec<ToldStep> {
        self.unnamed.add(recording);
        let mut state = StoryState::new(recording, threads);
        state.sources = std::mem::take(&mut self.sources);
        state.unnamed = std::mem::take(&mut self.unnamed);
        state.values = Some(Vec::new());
        (0..from).for_each(|place| state.skip(place));
        let told = (from..recording.order().len()).map(|place| told(&mut state, place)).collect();
        self.sources = state.sources;
        self.unnamed = state.unnamed;
        told
    }

    /// Returns the lines of the source around a place, each with its number.
    pub(in crate::weave) fn around(&mut self, at: &At) -> Vec<(u32, String)> {
        self.sources.around(&at.file, at.line, NEAR)
    }
}

/// Returns the step at `place`, and applies it to the state.
fn told(state: &mut StoryState<'_>, place: usize) -> ToldStep {
    let recording = state.recording;
    let step = recording.at(place);
    let mut lines = StepLines::new(state, place, step).finish();
    state.apply(step, &mut lines);
    let values = state.values.replace(Vec::new()).unwrap_or_default();
    let numbers = &state.threads.numbers;
    let marks = lines.iter().flat_map(|line| &line.marks);
    let marks = marks.map(|(lane, mark)| (numbers[*lane], *mark)).collect();
    let is_said = |line: &Line| !line.words.is_empty() || line.place.is_some();
    let lines = lines.into_iter().filter(is_said).map(|line| (line.words, line.place)).collect();
    let end = end_of(step);
    ToldStep {
        actor: step.actor,
        is_choice: step.is_choice,
        takes: takes(step),
        lines,
        marks,
        values,
        end,
    }
}

/// Returns the indices of the alternatives that a step takes.
pub(in crate::weave) fn takes(step: &Step) -> Vec<u32> {
    let taken = step.actions.iter().filter_map(|action| match action {
        Action::Takes(value, _) => Some(*value as u32),
        _ => None,
    });
    taken.collect()
}

fn end_of(step: &Step) -> StepEnd {
    match step.end {
        Some(End::Yields(_) | End::Preempted(_)) => StepEnd::Ready,
        Some(End::Waits(..)) => StepEnd::Waits,
        Some(End::Ends) => StepEnd::Ended,
        None => StepEnd::Open,
    }
}
