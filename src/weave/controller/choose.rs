//! How the controller chooses a thread: among those that fairness and the preemption bound allow.

use super::ExplorationController;
use crate::explore::{Choice, ChoicePath, Differs, EnabledSet};
use crate::weave::fault::Abort;
use crate::weave::line::Line;
use crate::weave::strategy::{Candidates, Strategy};

/// The number of enabled threads up to which a list of them is faster than a line.
const LISTED: usize = 64;

impl ExplorationController {
    /// Fills `allowed` with the indices of the enabled threads that may be chosen.
    fn allow(&mut self, ready: &[u64]) {
        match &mut self.fairness {
            Some(fairness) if fairness.has_a_say() => fairness.allow(ready, &mut self.allowed),
            _ => {
                self.allowed.clear();
                self.allowed.extend(0..ready.len());
            }
        }
    }

    /// Allows only the current thread, if it is enabled and the preemption bound is reached.
    fn bound_switches(&mut self, ready: &[u64]) {
        if self.max_switches.is_some_and(|most| self.switches >= most)
            && let Some(place) = self.allowed.iter().position(|&index| ready[index] == self.last)
        {
            let current = self.allowed[place];
            self.allowed.clear();
            self.allowed.push(current);
        }
    }

    /// Returns the index in `ready` of one of the `allowed` threads, and records the choice if
    /// there was any.
    fn pick(&mut self, ready: &[u64], has_choice: bool) -> Result<usize, Abort> {
        let ExplorationController { strategy, allowed, names, .. } = self;
        let mut path = self.path.borrow_mut();
        match strategy {
            Strategy::Other(strategy) if !strategy.leaves_choices_to_path() => {
                let index = strategy.choose(&Candidates { ready, allowed, names }, &mut path)?;
                match self.recording {
                    _ if !has_choice => {}
                    // The search around this execution repeats it.
                    Some(_) => {
                        let taken = allowed.iter().position(|&place| place == index);
                        let number = |place: usize| ready[allowed[place]] as u32;
                        path.push_taken(taken.unwrap_or(0), allowed.len(), number);
                    }
                    None => path.push(Choice::new(ready[index] as u32, index, ready.len())),
                }
                Ok(index)
            }
            _ if !has_choice => Ok(allowed[0]),
            _ => {
                let after = path.made().len();
                let chosen = path.choose(allowed.len(), |place| ready[allowed[place]] as u32);
                Ok(allowed[chosen.map_err(|_| Abort::Differs { after })?])
            }
        }
    }

    pub(super) fn choose_among(&mut self, ready: &[u64]) -> Option<usize> {
        self.allow(ready);
        let has_choice = self.allowed.len() > 1;
        self.bound_switches(ready);
        let index = match self.pick(ready, has_choice) {
            Ok(index) => index,
            Err(abort) => {
                self.abort(abort);
                return None;
            }
        };
        let is_last_enabled = ready.contains(&self.last);
        self.chosen(ready[index], is_last_enabled, has_choice);
        Some(index)
    }

    /// Chooses as [`choose_among`](ExplorationController::choose_among) does, without lists. Returns
    /// `None` if the strategy needs them, or is faster with them.
    pub(super) fn choose_in_line(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let ExplorationController { strategy, fairness, line: own, waiting, last, .. } = self;
        let mut follower = match strategy {
            Strategy::Other(strategy) if !strategy.leaves_choices_to_path() => Some(strategy),
            _ => None,
        };
        let line = match &mut follower {
            Some(strategy) => strategy.follow(enabled)?,
            None if enabled.len() > LISTED => {
                own.follow(enabled, |_| 1);
                &*own
            }
            None => {
                own.clear();
                return None;
            }
        };
        waiting.clear();
        if let Some(fairness) = fairness.as_mut().filter(|fairness| fairness.has_a_say()) {
            fairness.hold_back(line, waiting);
        }
        let has_choice = line.len() > waiting.len() + 1;
        let is_last_enabled = line.contains(*last);
        let is_bound = self.max_switches.is_some_and(|most| self.switches >= most);
        let only = if is_bound && is_last_enabled && !waiting.contains(last) {
            Some(*last)
        } else if has_choice {
            None
        } else {
            line.first_without(waiting)
        };
        let mut path = self.path.borrow_mut();
        let (number, index) = match follower {
            Some(strategy) => {
                let (number, index) = strategy.choose_in_line(only, waiting, path.random());
                if has_choice {
                    path.push(Choice::new(number as u32, index, enabled.len()));
                }
                (number, index)
            }
            None => {
                let after = path.made().len();
                let Ok(number) = choose_on(&mut path, own, only, waiting, has_choice) else {
                    drop(path);
                    self.abort(Abort::Differs { after });
                    return None;
                };
                let index = own.rank(number);
                own.leave(number);
                (number, index)
            }
        };
        drop(path);
        self.chosen(number, is_last_enabled, has_choice);
        Some(index)
    }
}

/// Chooses `only`, or else a thread of the line that is not `waiting`, by the path. As with lists, a
/// choice is kept if there was any before the preemption bound.
fn choose_on(
    path: &mut ChoicePath,
    line: &Line,
    only: Option<u64>,
    waiting: &[u64],
    has_choice: bool,
) -> Result<u64, Differs> {
    if let Some(only) = only {
        if has_choice {
            path.choose(1, |_| only as u32)?;
        }
        return Ok(only);
    }
    let mut ranks: Vec<usize> = waiting.iter().map(|&number| line.rank(number)).collect();
    ranks.sort_unstable();
    let number = |place| {
        line.at_rank(ranks.iter().fold(place, |place, &rank| place + usize::from(rank <= place)))
    };
    path.choose(line.len() - waiting.len(), |place| number(place) as u32).map(number)
}
