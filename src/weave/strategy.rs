//! The interface of the strategies that make the choices of an execution.

use super::dfs::Dfs;
use super::fault::Abort;
use super::line::Line;
use super::names::Names;
use crate::access::Access;
use crate::explore::{Choice, ChoicePath, EnabledSet};
use crate::runtime::random::Random;

/// The strategy of an exploration.
///
/// Depth-first search is a variant of its own: its choices are made by the path, and for a small
/// execution the calls through a table of functions would count as much as the choices do.
pub(super) enum Strategy {
    Dfs(Dfs),
    Other(Box<dyn ChoiceStrategy>),
}

/// The green threads of a choice.
pub(super) struct Candidates<'a> {
    /// The numbers of the enabled green threads.
    pub(super) ready: &'a [u64],
    /// The indices in `ready` of the threads that may be chosen; at least one.
    pub(super) allowed: &'a [usize],
    pub(super) names: &'a Names,
}

/// A way to make the choices of each execution. Most events concern one strategy only, so they
/// do nothing by default.
pub(super) trait ChoiceStrategy {
    /// Begins the execution with this index, and prepares the path.
    fn begin(&mut self, index: u64, path: &mut ChoicePath);

    /// Returns the index in `candidates.ready` of the thread that has the next turn.
    fn choose(
        &mut self,
        candidates: &Candidates<'_>,
        path: &mut ChoicePath,
    ) -> Result<usize, Abort>;

    /// Returns the enabled threads, if the strategy follows them from choice to choice. It then
    /// chooses by [`ChoiceStrategy::choose_in_line`].
    fn follow(&mut self, _enabled: &EnabledSet<'_>) -> Option<&Line> {
        None
    }

    /// Returns the thread that has the next turn, and its place in the line: `only`, or one that is
    /// not among `waiting`.
    fn choose_in_line(
        &mut self,
        _only: Option<u64>,
        _waiting: &[u64],
        _random: &mut Random,
    ) -> (u64, usize) {
        unreachable!("the strategy has no line")
    }

    /// Returns one of `count` alternatives. The strategy may push the choice onto the path
    /// itself.
    fn alternative(&mut self, count: usize, path: &mut ChoicePath) -> Result<usize, Abort> {
        choose_on_path(count, path)
    }

    /// Ends the execution. Returns the reason why it does not count, unless it has failed.
    fn end(&mut self, path: &ChoicePath) -> Option<Abort>;

    /// Advances to the next execution. Returns `false` if there is none.
    fn advance(&mut self) -> bool;

    /// Returns `true` if the path can make the choices without this strategy.
    fn leaves_choices_to_path(&self) -> bool {
        false
    }

    /// Returns `true` if the events below are to be reported.
    fn observes_operations(&self) -> bool {
        false
    }

    /// Returns `true` if later executions depend on how the first one went.
    fn learns(&self) -> bool {
        false
    }

    /// Returns the explored share of all executions, between 0 and 1.
    fn progress(&self) -> f64 {
        0.0
    }

    /// Notes that the current step accesses an object.
    fn accessed(&mut self, _object: u64, _access: Access) {}

    /// Notes that the current step has made a green thread ready.
    fn woke(&mut self, _number: u64) {}

    /// Notes that the current step yields in an exploration that is fair.
    fn yields(&mut self) {}

    /// Notes that the current step panics.
    fn panicked(&mut self) {}

    /// Notes that time passes, since no green thread can run.
    fn time_passed(&mut self) {}
}

/// Returns one of `count` alternatives, chosen by the path.
pub(super) fn choose_on_path(count: usize, path: &mut ChoicePath) -> Result<usize, Abort> {
    let after = path.made().len();
    path.choose(count, |_| Choice::VALUE).map_err(|_| Abort::Differs { after })
}
