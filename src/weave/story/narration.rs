//! The narration of an execution: the steps that are shown, and their lines.

use super::fold::{self, Run};
use super::line::{Line, Part, Threads};
use super::state::StoryState;
use super::step_lines::StepLines;
use crate::weave::recording::{Action, Recording};

/// Narrates the steps of an execution one after the other.
pub(super) struct Narration<'a> {
    state: StoryState<'a>,
    /// The step that went wrong.
    wrong: Option<usize>,
    /// The step from which every continuation fails, if that is known.
    lost: Option<usize>,
}

impl<'a> Narration<'a> {
    pub(super) fn new(
        recording: &'a Recording,
        threads: &'a Threads,
        wrong: Option<usize>,
        lost: Option<usize>,
    ) -> Narration<'a> {
        Narration { state: StoryState::new(recording, threads), wrong, lost }
    }

    /// Returns the story in at most about `rows` lines.
    pub(super) fn parts(mut self, is_endless: bool, rows: usize) -> Vec<Part> {
        let mut order = self.state.recording.order().to_vec();
        // These steps are shown alone, even if they equal others.
        for (step, number) in [(self.wrong, u32::MAX), (self.lost, u32::MAX - 1)] {
            if let Some(step) = step {
                order[step] = number;
            }
        }
        let runs = fold::fold(&order, is_endless);
        let shown = self.shown(&runs, rows);
        let mut parts: Vec<Part> = Vec::new();
        let Some(&last) = runs.last() else { return parts };
        for run in runs {
            for step in run.from..run.end() {
                let in_first = step < run.from + run.steps;
                if in_first && shown(step) {
                    let lines = self.step(step);
                    parts.push(Part::Step(lines));
                } else {
                    self.state.skip(step);
                    match parts.last_mut() {
                        _ if !in_first => {}
                        Some(Part::LeftOut { steps }) => *steps += 1,
                        _ => parts.push(Part::LeftOut { steps: 1 }),
                    }
                }
            }
            if run.times > 1 {
                let last_turn = self.state.turn;
                let Run { steps, times, .. } = run;
                let is_endless = is_endless && run == last;
                parts.push(Part::Again { steps, times, last_turn, is_endless });
            }
        }
        limit(parts, rows)
    }

    /// Returns the predicate of the steps for which there is room, since each takes a line.
    fn shown(&self, runs: &[Run], rows: usize) -> impl Fn(usize) -> bool + use<> {
        let candidates: Vec<usize> =
            runs.iter().flat_map(|run| run.from..run.from + run.steps).collect();
        let first_left_out = candidates.get(rows).copied().unwrap_or(usize::MAX);
        let last_left_out = candidates
            .len()
            .checked_sub(rows.saturating_add(1))
            .map_or(0, |index| candidates[index]);
        let (wrong, lost) = (self.wrong, self.lost);
        move |step| {
            step < first_left_out
                || step > last_left_out
                || lost == Some(step)
                || wrong.is_some_and(|wrong| wrong.abs_diff(step) <= rows)
        }
    }

    /// Returns the lines of a step, and applies it.
    fn step(&mut self, index: usize) -> Vec<Line> {
        let step = self.state.recording.at(index);
        let mut lines = StepLines::new(&mut self.state, index, step).finish();
        let is_wrong = self.wrong == Some(index);
        if is_wrong {
            let panics = step.actions.iter().any(|action| matches!(action, Action::Panics(_)));
            let line = lines.iter_mut().rev().find(|line| !panics || line.is_wrong);
            if let Some(line) = line {
                line.is_wrong = true;
            }
        } else {
            lines.iter_mut().for_each(|line| line.is_wrong = false);
        }
        if self.lost.is_some() {
            lines.iter_mut().for_each(|line| line.is_odd = false);
            let lost = lines.first_mut().filter(|_| self.lost == Some(index));
            lost.into_iter().for_each(|line| line.is_odd = true);
        }
        self.state.apply(step, &mut lines);
        lines
    }
}

/// Leaves out the middle of a long story.
fn limit(parts: Vec<Part>, rows: usize) -> Vec<Part> {
    let rows_of = |part: &Part| match part {
        Part::Step(lines) => lines.len(),
        _ => 1,
    };
    let total: usize = parts.iter().map(rows_of).sum();
    if total <= rows {
        return parts;
    }
    let is_wrong =
        |part: &Part| matches!(part, Part::Step(lines) if lines.iter().any(|line| line.is_wrong));
    let wrong = parts.iter().position(is_wrong);
    let mut keep = vec![false; parts.len()];
    let mut left = rows;
    let mut take = |places: &mut dyn Iterator<Item = usize>, most: usize| {
        let least = left.saturating_sub(most);
        for place in places {
            let rows = if keep[place] { 0 } else { rows_of(&parts[place]) };
            // The step that went wrong is always shown.
            let fits = left.checked_sub(rows).filter(|left| *left >= least);
            match fits {
                None if Some(place) != wrong => break,
                fits => left = fits.unwrap_or(0),
            }
            keep[place] = true;
        }
    };
    // The steps up to the one that went wrong have the first share, then the first steps, then
    // the last.
    take(&mut (0..wrong.map_or(0, |wrong| wrong + 1)).rev(), rows / 3);
    take(&mut (0..parts.len()), rows / 3);
    take(&mut (0..parts.len()).rev(), rows);
    let mut kept: Vec<Part> = Vec::new();
    for (place, part) in parts.into_iter().enumerate() {
        if keep[place] {
            kept.push(part);
            continue;
        }
        let left_out = match part {
            Part::Step(_) => 1,
            Part::Again { steps, times, .. } => steps * (times - 1),
            Part::LeftOut { steps } => steps,
        };
        match kept.last_mut() {
            Some(Part::LeftOut { steps }) => *steps += left_out,
            _ => kept.push(Part::LeftOut { steps: left_out }),
        }
    }
    kept
}
