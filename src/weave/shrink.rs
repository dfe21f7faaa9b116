//! Shortens the schedule of a failure: fewest switches, then fewest steps.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::executor::{ExecutionEnd, Executor};
use super::failure::{Failure, FailureKind};
use super::options::Options;
use super::run_loop::run_loop;
use super::schedule::{Schedule, Turn};

/// The limits of the search for a shorter failure.
const MOST_EXECUTIONS: u64 = 50_000;
const MOST_TIME: Duration = Duration::from_secs(3);

/// A failing execution, and its length.
struct Found {
    failure: Failure,
    switches: u32,
    steps: u64,
}

impl Found {
    fn is_shorter_than(&self, other: &Found) -> bool {
        (self.switches, self.steps) < (other.switches, other.steps)
    }
}

/// The executions and the time that are left.
struct Budget {
    executions: u64,
    until: Instant,
}

impl Budget {
    /// Subtracts one execution. Returns `false` if nothing is left.
    fn spend(&mut self) -> bool {
        self.executions = self.executions.saturating_sub(1);
        self.executions > 0 && Instant::now() < self.until
    }
}

/// The result of the search among the executions with one number of switches.
enum Search {
    Found(Found),
    Nothing,
    NoTime,
}

/// Returns an execution that fails in the same way, with the fewest switches that are found, and
/// among those with the fewest steps.
///
/// First the schedule is shortened piece by piece. Then all executions without a switch are
/// tried, those with one switch, and so on, as long as there is time.
pub(super) fn shrink<T>(options: &Options, failure: Failure, program: &impl Fn() -> T) -> Failure {
    if !matches!(failure.kind, FailureKind::Panic | FailureKind::Deadlock) {
        return failure;
    }
    let mut budget = Budget { executions: MOST_EXECUTIONS, until: Instant::now() + MOST_TIME };
    let Some(mut best) = try_schedule(options, &failure.schedule, &failure, program) else {
        return failure;
    };
    best = shorten(options, best, program, &mut budget);
    for switches in 0..=best.switches {
        match fewest_steps(options, switches, &best.failure, program, &mut budget) {
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

/// Runs under a schedule of which turns that do not fit are skipped.
fn try_schedule<T>(
    options: &Options,
    schedule: &Schedule,
    like: &Failure,
    program: &impl Fn() -> T,
) -> Option<Found> {
    let mut executor = options.replay_executor(schedule, true);
    let end = executor.run(program);
    found(&executor, end, like)
}

/// Searches all executions with at most `switches` switches.
fn fewest_steps<T>(
    options: &Options,
    switches: u32,
    like: &Failure,
    program: &impl Fn() -> T,
    budget: &mut Budget,
) -> Search {
    let mut executor = options.bounded_executor(like.schedule.rules, switches);
    executor.is_verified = true;
    let mut best: Option<Found> = None;
    let mut has_time = true;
    let unlimited = Options { shows_progress: false, ..Options::new() };
    run_loop(
        &unlimited,
        &mut executor,
        program,
        |_, _| true,
        |executor, end| {
            if let Some(found) = found(executor, end, like)
                && best.as_ref().is_none_or(|best| found.is_shorter_than(best))
            {
                best = Some(found);
            }
            has_time = budget.spend();
            if has_time { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    );
    match best {
        Some(found) => Search::Found(found),
        None if has_time => Search::Nothing,
        None => Search::NoTime,
    }
}

/// Leaves out turns, and moves turns so that a green thread goes on where it could, as long as
/// the execution still fails in the same way.
fn shorten<T>(
    options: &Options,
    mut best: Found,
    program: &impl Fn() -> T,
    budget: &mut Budget,
) -> Found {
    let mut place = 0;
    while place < best.failure.schedule.turns.len() && budget.spend() {
        let candidates = [without(&best, place), longer_run(&best, place)];
        let better = candidates.into_iter().flatten().find_map(|schedule| {
            try_schedule(options, &schedule, &best.failure, program)
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

/// Returns the execution if it fails like `like`.
fn found<T>(executor: &Executor, end: ExecutionEnd<T>, like: &Failure) -> Option<Found> {
    let ExecutionEnd::Failed(fault) = end else { return None };
    let failure = executor.failure_of(ExecutionEnd::<T>::Failed(fault)).err()?;
    let controller = executor.controller.borrow();
    failure.is_like(like).then(|| Found {
        failure: *failure,
        switches: controller.switches,
        steps: controller.steps(),
    })
}

/// Returns the schedule without the turn at `place`.
fn without(best: &Found, place: usize) -> Option<Schedule> {
    let mut schedule = best.failure.schedule.clone();
    schedule.turns.remove(place);
    Some(schedule)
}

/// Returns the schedule in which the green thread before `place` has its next turn at `place`.
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
