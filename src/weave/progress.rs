//! The progress bar of a long exploration on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::executor::Executor;
use super::report::grouped;
use super::strategy::Strategy;

/// The number of executions between two readings of the clock.
const BETWEEN: u64 = 64;

/// The duration below which an exploration shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The number of positions of the bar.
const PARTS: u64 = 10_000;

pub(super) struct Progress {
    /// `None` if no bar is to be shown.
    start: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(is_wanted: bool, start: Instant) -> Progress {
        Progress { start: is_wanted.then_some(start), bar: None }
    }

    /// Updates the bar after this number of executions, of at most `most`.
    #[inline]
    pub(super) fn update(&mut self, executions: u64, executor: &Executor, most: u64) {
        if let Some(start) = self.start
            && executions.is_multiple_of(BETWEEN)
            && start.elapsed() >= PATIENCE
        {
            self.show(executions, start.elapsed(), executor, most);
        }
    }

    #[cold]
    fn show(&mut self, executions: u64, elapsed: Duration, executor: &Executor, most: u64) {
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}");
            let style = style.expect("the template is well-formed");
            let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr());
            bar.with_style(style)
        });
        let controller = executor.controller.borrow();
        let explored = match &controller.strategy {
            Strategy::Dfs(dfs) => dfs.progress(&controller.path.borrow()),
            Strategy::Other(strategy) => strategy.progress(),
        };
        let done = explored.max(executions as f64 / most as f64);
        let seconds = elapsed.as_secs_f64();
        let left = Duration::from_secs_f64((seconds / done.max(1e-9) - seconds).clamp(0.0, 1e9));
        bar.set_position((done * PARTS as f64) as u64);
        bar.set_message(format!(
            "{} executions, {}/s, {} choices deep, about {} left",
            grouped(executions),
            grouped((executions as f64 / seconds) as u64),
            controller.path.borrow().choices().len(),
            indicatif::HumanDuration(left),
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
