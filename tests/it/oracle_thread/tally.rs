//! Counts of events, which show that the programs test what they are meant to test.

use super::{Event, Outcome};
use crate::oracle_runtime::programs::Tally;

pub(super) fn add(tally: &mut Tally, trace: &[Event], deadlock: bool) {
    for event in trace {
        let name = match event {
            Event::Started { .. } => "started",
            Event::WentOn { .. } => "continued",
            Event::Unparked { .. } => "unparked",
            Event::Joined { outcome: Outcome::Panic(_), .. } => "joined a panicked thread",
            Event::Joined { outcome: Outcome::Unwound, .. } => "joined an unwound thread",
            Event::Joined { .. } => "joined",
            Event::Caught { outcome: Outcome::Unwound, .. } => "caught an unwinding",
            Event::Caught { outcome: Outcome::ScopePanicked, .. } => "scope panicked",
            Event::LeftScope { .. } => "left a scope",
            Event::DroppedYielding { .. } => "yielded in a destructor",
            Event::DroppedSpawning { .. } => "spawned in a destructor",
            Event::RunEnded { outcome: Outcome::Deadlock(_) } => "deadlock",
            Event::RunEnded { .. } if deadlock => "deadlock behind a panic",
            _ => continue,
        };
        tally.add(name, 1);
    }
}

pub(super) fn check(tally: &Tally, programs: usize) {
    let common = ["started", "continued", "unparked", "joined", "left a scope"];
    tally.check(programs / 8, &common);
    tally.check(programs / 20, &["deadlock"]);
    // The few programs of an emulated run need not contain these.
    if programs >= 10_000 {
        let rare = ["joined a panicked thread", "caught an unwinding", "scope panicked"];
        tally.check(programs / 500, &rare);
        tally.check(programs / 500, &["yielded in a destructor", "spawned in a destructor"]);
        tally.check(0, &["joined an unwound thread", "deadlock behind a panic"]);
    }
}
