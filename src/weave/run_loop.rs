//! The loop that runs a program under one schedule after another.

use std::ops::ControlFlow;
use std::time::Instant;

use super::executor::{ExecutionEnd, Executor};
use super::failure::Failure;
use super::fault::Abort;
use super::options::Options;
use super::progress::Progress;
use super::report::Report;
use super::schedule::Schedule;

/// The end of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopEnd {
    /// There is no other execution.
    Exhausted,
    Early,
}

/// Runs the program under one schedule after another. Calls `visit` with the end of each
/// execution; it may end the exploration. `same` compares two values.
pub(super) fn run_loop<T>(
    options: &Options,
    executor: &mut Executor,
    program: &impl Fn() -> T,
    same: impl Fn(&T, &T) -> bool,
    mut visit: impl FnMut(&Executor, ExecutionEnd<T>) -> ControlFlow<()>,
) -> LoopEnd {
    let start = Instant::now();
    let most = options.most_executions();
    let mut progress = Progress::new(options.shows_progress, start);
    let mut executions = 0;
    loop {
        let end = if executions == 0 && !executor.is_verified {
            executor.run_twice(program, &same)
        } else {
            executor.run(program)
        };
        let is_redundant = matches!(end, ExecutionEnd::Aborted(Abort::Redundant));
        executions += u64::from(!is_redundant);
        let is_last = matches!(&end, ExecutionEnd::Aborted(abort) if abort.ends_exploration());
        if visit(executor, end).is_break() || is_last {
            return LoopEnd::Early;
        }
        if !executor.advance() {
            return if options.is_exhaustive() { LoopEnd::Exhausted } else { LoopEnd::Early };
        }
        let is_late = || options.max_time.is_some_and(|most| start.elapsed() >= most);
        if executions >= most || is_late() {
            return LoopEnd::Early;
        }
        progress.update(executions, executor, most);
    }
}

/// Runs the loop, and adds each execution to the report.
pub(super) fn fill_report<T: Ord>(
    options: &Options,
    executor: &mut Executor,
    program: &impl Fn() -> T,
    report: &mut Report<T>,
    mut after_each: impl FnMut(&Executor) -> ControlFlow<()>,
) -> LoopEnd {
    let same = |one: &T, other: &T| one == other;
    run_loop(options, executor, program, same, |executor, end| {
        report.add(executor, end);
        after_each(executor)
    })
}

/// Explores the program on this OS thread.
pub(super) fn explore<T: Ord>(options: &Options, program: &impl Fn() -> T) -> Report<T> {
    let mut executor = options.executor();
    let mut report = Report::new();
    let end =
        fill_report(options, &mut executor, program, &mut report, |_| ControlFlow::Continue(()));
    report.is_complete = end == LoopEnd::Exhausted && report.has_all();
    report
}

/// Runs the program under one schedule.
pub(super) fn replay<T>(
    options: &Options,
    schedule: &Schedule,
    program: &impl Fn() -> T,
) -> Result<T, Box<Failure>> {
    let mut executor = options.replay_executor(schedule, false);
    let end = executor.run(program);
    executor.failure_of(end)
}
