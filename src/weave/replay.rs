//! Choices that follow a schedule.

use super::fault::Abort;
use super::schedule::{Schedule, Turn};
use super::strategy::{Candidates, ChoiceStrategy};
use crate::explore::ChoicePath;

/// The schedule that is followed, and the position in it.
pub(super) struct Replay {
    schedule: Schedule,
    position: usize,
    /// Turns that do not fit are skipped.
    is_lenient: bool,
}

impl Replay {
    pub(super) fn new(schedule: Schedule, is_lenient: bool) -> Replay {
        Replay { schedule, position: 0, is_lenient }
    }

    /// Returns the turns that the run did not reach; `None` if there are none, or if they do not
    /// matter.
    fn rest(&self) -> Option<Schedule> {
        let turns = self.schedule.turns.get(self.position..)?;
        let is_over = self.is_lenient || turns.is_empty();
        (!is_over).then(|| Schedule { turns: turns.to_vec(), ..Schedule::default() })
    }

    /// Returns the index of the thread that has the next turn of the schedule.
    ///
    /// # Errors
    ///
    /// A text that says why the turn does not fit.
    fn next_thread(&mut self, candidates: &Candidates<'_>) -> Result<usize, String> {
        let Candidates { ready, allowed, names } = *candidates;
        while let Some(turn) = self.schedule.turns.get(self.position) {
            let label = match turn {
                Turn::Thread(label) => Some(label),
                Turn::Value(_) => None,
            };
            let fits = |&&index: &&usize| label.is_some_and(|label| label.is(ready[index], names));
            let found = allowed.iter().find(fits).copied();
            if let Some(index) = found {
                self.position += 1;
                return Ok(index);
            }
            if !self.is_lenient {
                let can = allowed.iter().map(|&index| names.label(ready[index]).to_string());
                let can = can.collect::<Vec<_>>().join(", ");
                return Err(match label {
                    Some(label) => {
                        format!(
                            "it gives the turn to {label}, but the green threads that can run are: {can}"
                        )
                    }
                    None => format!("it takes an alternative, but here one of these runs: {can}"),
                });
            }
            self.position += 1;
        }
        Ok(allowed[0])
    }

    /// Returns the alternative of the next turn of the schedule.
    ///
    /// # Errors
    ///
    /// A text that says why the turn does not fit.
    fn next_alternative(&mut self, count: usize) -> Result<usize, String> {
        match self.schedule.turns.get(self.position) {
            Some(Turn::Value(value)) if (*value as usize) < count => {
                self.position += 1;
                Ok(*value as usize)
            }
            None => Ok(0),
            Some(_) if self.is_lenient => Ok(0),
            Some(Turn::Value(value)) => {
                Err(format!("it takes alternative {value}, but there are only {count} (from 0)"))
            }
            Some(Turn::Thread(label)) => Err(format!(
                "it gives the turn to {label}, but here one of {count} alternatives is taken (?0 \
                 for the first)"
            )),
        }
    }
}

fn misfit(path: &ChoicePath, why: &str) -> Abort {
    Abort::Misfit(format!("at choice {} of the run, {why}", path.made().len() + 1))
}

impl ChoiceStrategy for Replay {
    fn begin(&mut self, _index: u64, path: &mut ChoicePath) {
        path.start();
        self.position = 0;
    }

    fn choose(
        &mut self,
        candidates: &Candidates<'_>,
        path: &mut ChoicePath,
    ) -> Result<usize, Abort> {
        match candidates.allowed {
            &[only] => Ok(only),
            _ => self.next_thread(candidates).map_err(|why| misfit(path, &why)),
        }
    }

    fn alternative(&mut self, count: usize, path: &mut ChoicePath) -> Result<usize, Abort> {
        self.next_alternative(count).map_err(|why| misfit(path, &why))
    }

    fn end(&mut self, path: &ChoicePath) -> Option<Abort> {
        self.rest().map(|rest| {
            let made = path.made().len();
            Abort::Misfit(format!(
                "the run has {made} choices and is over then, but the schedule goes on: {rest}"
            ))
        })
    }

    fn advance(&mut self) -> bool {
        false
    }
}
