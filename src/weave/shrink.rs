//! A failure, made short: fewest switches, then fewest steps.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::controller::Strategy;
use super::explorer::Explorer;
use super::failure::{Failure, FailureKind};
use super::replay::Replay;
use super::schedule::{Schedule, Turn};
use super::executor::{Ran, Session};
use super::dfs::Tree;

/// As much is tried to find a shorter one.
const MOST_EXECUTIONS: u64 = 50_000;
const MOST_TIME: Duration = Duration::from_secs(3);

/// A failing execution, and how long it is.
struct Found {
    failure: Failure,
    switches: u32,
    steps: u64,
}

/// What may still be spent.
struct Purse {
    executions: u64,
    until: Instant,
}

impl Purse {
    fn spend(&mut self) -> bool {
        self.executions = self.executions.saturating_sub(1);
        self.executions > 0 && Instant::now() < self.until
    }
}

impl Explorer {
    /// An execution that fails in the same way, with as few switches as can be
    /// found, and among those with as few steps.
    ///
    /// All executions without a switch are tried, then those with one, and so on, as
    /// long as there is time. What is left is shortened piece by piece.
    pub(super) fn shrink<T>(&self, failure: Failure, program: &impl Fn() -> T) -> Failure {
        if !matches!(failure.kind, FailureKind::Panic | FailureKind::Deadlock) {
            return failure;
        }
        let mut purse = Purse { executions: MOST_EXECUTIONS, until: Instant::now() + MOST_TIME };
        let Some(mut best) = self.try_schedule(&failure.schedule, &failure, program) else {
            return failure;
        };
        best = self.shorten(best, program, &mut purse);
        for switches in 0..=best.switches {
            match self.fewest_steps(switches, &best.failure, program, &mut purse) {
                Search::Found(found) if found.is_shorter_than(&best) => {
                    best = found;
                    break;
                }
                Search::Found(_) => break,
                Search::Nothing => {}
                Search::NoTime => break,
            }
        }
        Failure { count: failure.count, first: failure.first, ..best.failure }
    }

    /// Runs under a schedule, of which turns that do not fit are passed over.
    fn try_schedule<T>(
        &self,
        schedule: &Schedule,
        like: &Failure,
        program: &impl Fn() -> T,
    ) -> Option<Found> {
        let replay = Replay::new(schedule.clone(), true);
        let mut session = self.session(Strategy::Replay(replay), schedule.rules);
        let ran = session.run(program);
        found(&session, ran, like)
    }

    /// All executions with so many switches.
    fn fewest_steps<T>(
        &self,
        switches: u32,
        like: &Failure,
        program: &impl Fn() -> T,
        purse: &mut Purse,
    ) -> Search {
        let strategy = Strategy::Tree(Tree::default());
        let mut session = self.session(strategy, like.schedule.rules);
        session.engine.borrow_mut().max_switches = Some(switches);
        session.is_verified = true;
        let mut best: Option<Found> = None;
        let mut has_time = true;
        let explorer = Explorer::new().progress(false);
        explorer.drive(
            &mut session,
            program,
            |_, _| true,
            |session, ran| {
                if let Some(found) = found(session, ran, like)
                    && best.as_ref().is_none_or(|best| found.is_shorter_than(best))
                {
                    best = Some(found);
                }
                has_time = purse.spend();
                if has_time { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            },
        );
        match best {
            Some(found) => Search::Found(found),
            None if has_time => Search::Nothing,
            None => Search::NoTime,
        }
    }

    /// Leaves out turns, and lets the one that runs go on where it could, as long as
    /// the execution still fails in the same way.
    fn shorten<T>(&self, mut best: Found, program: &impl Fn() -> T, purse: &mut Purse) -> Found {
        let mut place = 0;
        while place < best.failure.schedule.turns.len() && purse.spend() {
            let candidates = [without(&best, place), longer_run(&best, place)];
            let better = candidates.into_iter().flatten().find_map(|schedule| {
                self.try_schedule(&schedule, &best.failure, program)
                    .filter(|found| found.is_shorter_than(&best))
            });
            match better {
                Some(found) => {
                    best = found;
                    place = 0;
                }
                None => place += 1,
            }
        }
        best
    }
}

enum Search {
    Found(Found),
    Nothing,
    NoTime,
}

impl Found {
    fn is_shorter_than(&self, other: &Found) -> bool {
        (self.switches, self.steps) < (other.switches, other.steps)
    }
}

fn found<T>(session: &Session, ran: Ran<T>, like: &Failure) -> Option<Found> {
    let Ran::Wrong(wrong) = ran else { return None };
    let failure = session.failure_of(Ran::<T>::Wrong(wrong)).err()?;
    let engine = session.engine.borrow();
    failure.is_like(like).then(|| Found {
        failure: *failure,
        switches: engine.switches,
        steps: engine.steps(),
    })
}

/// The schedule without the turn at `place`.
fn without(best: &Found, place: usize) -> Option<Schedule> {
    let mut schedule = best.failure.schedule.clone();
    schedule.turns.remove(place);
    Some(schedule)
}

/// The schedule in which the turn at `place` comes after the next ones of the one
/// before it.
fn longer_run(best: &Found, place: usize) -> Option<Schedule> {
    let mut schedule = best.failure.schedule.clone();
    let turns = &mut schedule.turns;
    let before = turns.get(place.checked_sub(1)?)?.clone();
    if before == turns[place] || matches!(before, Turn::Value(_)) {
        return None;
    }
    let next = (place..turns.len()).find(|&other| turns[other] == before)?;
    let turn = turns.remove(next);
    turns.insert(place, turn);
    Some(schedule)
}
