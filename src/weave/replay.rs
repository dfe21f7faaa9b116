//! Choices as a schedule has them.

use super::names::Names;
use super::schedule::{Schedule, Turn};

/// The schedule that is followed, and how far.
pub(super) struct Replay {
    schedule: Schedule,
    position: usize,
    /// Turns that nobody can take are passed over.
    is_lenient: bool,
}

impl Replay {
    pub(super) fn new(schedule: Schedule, is_lenient: bool) -> Replay {
        Replay { schedule, position: 0, is_lenient }
    }

    /// The next execution begins.
    pub(super) fn begin(&mut self) {
        self.position = 0;
    }

    /// The turns that the run did not come to.
    pub(super) fn rest(&self) -> Option<Schedule> {
        let turns = self.schedule.turns.get(self.position..)?.to_vec();
        let rest = Schedule { turns, ..Schedule::default() };
        (!self.is_lenient && rest.turns() > 0).then_some(rest)
    }

    pub(super) fn choose(
        &mut self,
        ready: &[u64],
        allowed: &[usize],
        names: &Names,
    ) -> Result<usize, String> {
        while let Some(turn) = self.schedule.turns.get(self.position) {
            let who = match turn {
                Turn::Thread(who) => Some(who),
                Turn::Value(_) => None,
            };
            let fits = |&&index: &&usize| who.is_some_and(|who| who.is(ready[index], names));
            let found = allowed.iter().find(fits).copied();
            if let Some(index) = found {
                self.position += 1;
                return Ok(index);
            }
            if !self.is_lenient {
                let can = allowed.iter().map(|&index| names.label(ready[index]));
                let can = can.collect::<Vec<_>>().join(", ");
                return Err(match who {
                    Some(who) => {
                        format!("it gives the turn to {who}, but those who can run are: {can}")
                    }
                    None => format!("it takes an alternative, but here one of these runs: {can}"),
                });
            }
            self.position += 1;
        }
        Ok(allowed[0])
    }

    pub(super) fn alternative(&mut self, count: usize) -> Result<usize, String> {
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
            Some(Turn::Thread(who)) => Err(format!(
                "it gives the turn to {who}, but here one of {count} alternatives is taken (?0 for \
                 the first)"
            )),
        }
    }
}
