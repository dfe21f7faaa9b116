//! Counts of events, which show that the programs test what they are meant to test.

use super::{Event, Outcome};

/// The number of times that programs did what they are meant to test.
#[derive(Debug, Default)]
pub(super) struct Tally {
    spawns: usize,
    went_on: usize,
    unparked: usize,
    joined: usize,
    joined_panicked: usize,
    joined_unwound: usize,
    caught_unwinding: usize,
    scopes_left: usize,
    scopes_panicked: usize,
    yields_in_destructors: usize,
    spawns_in_destructors: usize,
    deadlocks: usize,
    deadlocks_behind_a_panic: usize,
}

impl Tally {
    pub(super) fn add(&mut self, trace: &[Event], deadlock: bool) {
        for event in trace {
            match event {
                Event::Started { .. } => self.spawns += 1,
                Event::WentOn { .. } => self.went_on += 1,
                Event::Unparked { .. } => self.unparked += 1,
                Event::Joined { outcome, .. } => {
                    self.joined += 1;
                    self.joined_panicked += usize::from(matches!(outcome, Outcome::Panic(_)));
                    self.joined_unwound += usize::from(*outcome == Outcome::Unwound);
                }
                Event::Caught { outcome, .. } => {
                    self.caught_unwinding += usize::from(*outcome == Outcome::Unwound);
                    self.scopes_panicked += usize::from(*outcome == Outcome::ScopePanicked);
                }
                Event::LeftScope { .. } => self.scopes_left += 1,
                Event::DroppedYielding { .. } => self.yields_in_destructors += 1,
                Event::DroppedSpawning { .. } => self.spawns_in_destructors += 1,
                Event::RunEnded { outcome: Outcome::Deadlock(_) } => self.deadlocks += 1,
                Event::RunEnded { .. } if deadlock => self.deadlocks_behind_a_panic += 1,
                _ => {}
            }
        }
    }

    pub(super) fn check(&self, programs: usize) {
        let common = [self.spawns, self.went_on, self.unparked, self.joined, self.scopes_left];
        assert!(common.iter().all(|&count| count > programs / 8), "{self:?}");
        assert!(self.deadlocks > programs / 20, "{self:?}");
        let rare = [
            self.joined_panicked,
            self.caught_unwinding,
            self.scopes_panicked,
            self.yields_in_destructors,
            self.spawns_in_destructors,
        ];
        // The few programs of an emulated run need not contain these.
        let few = programs < 10_000;
        assert!(few || rare.iter().all(|&count| count > programs / 500), "{self:?}");
        let rarest = [self.joined_unwound, self.deadlocks_behind_a_panic];
        assert!(few || rarest.iter().all(|&count| count > 0), "{self:?}");
    }
}
