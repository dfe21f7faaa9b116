//! The options of an exploration: which executions are run, and how many.

use std::time::Duration;

use super::dfs::Dfs;
use super::dpor::Dpor;
use super::executor::Executor;
use super::replay::Replay;
use super::sampling::{Method, Sampling};
use super::schedule::{Rules, Schedule};
use super::strategy::Strategy;
#[cfg(feature = "net")]
use crate::driver::io::MemoryNetwork;

/// The default step limit of an execution. A program that does not end is found out after about
/// as many executions, each one step longer than the last.
const DEFAULT_MAX_STEPS: u64 = 20_000;

/// The number of drawn executions if neither a number nor a time is given.
pub(super) const DEFAULT_SAMPLES: u64 = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) rules: Rules,
    pub(super) coverage: Coverage,
    pub(super) max_executions: Option<u64>,
    pub(super) max_steps: u64,
    pub(super) max_time: Option<Duration>,
    pub(super) max_switches: Option<u32>,
    pub(super) stack_bytes: Option<usize>,
    #[cfg(feature = "net")]
    pub(super) network: Option<MemoryNetwork>,
    pub(super) shows_progress: bool,
}

/// The executions that are run, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    All,
    Reduced,
    /// Drawn by this method, with this seed.
    Sampled(Method, u64),
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            rules: Rules::default(),
            coverage: Coverage::All,
            max_executions: None,
            max_steps: DEFAULT_MAX_STEPS,
            max_time: None,
            max_switches: None,
            stack_bytes: None,
            #[cfg(feature = "net")]
            network: None,
            shows_progress: true,
        }
    }

    /// Returns an executor for the executions of this exploration.
    pub(super) fn executor(&self) -> Executor {
        let strategy = match self.coverage {
            Coverage::All => Strategy::Dfs(Dfs::default()),
            // Reduction and a preemption bound do not go together.
            Coverage::Reduced if self.max_switches.is_some() => Strategy::Dfs(Dfs::default()),
            Coverage::Reduced => Strategy::Other(Box::<Dpor>::default()),
            Coverage::Sampled(method, seed) => {
                Strategy::Other(Box::new(Sampling::new(method, seed)))
            }
        };
        let executor = self.executor_with(strategy, self.rules);
        executor.controller.borrow_mut().max_switches = self.max_switches;
        executor
    }

    /// Returns an executor for all executions by these rules with at most `switches` switches.
    pub(super) fn bounded_executor(&self, rules: Rules, switches: u32) -> Executor {
        let executor = self.executor_with(Strategy::Dfs(Dfs::default()), rules);
        executor.controller.borrow_mut().max_switches = Some(switches);
        executor
    }

    /// Returns an executor for all executions by these rules, in depth-first order.
    pub(super) fn dfs_executor(&self, rules: Rules) -> Executor {
        self.executor_with(Strategy::Dfs(Dfs::default()), rules)
    }

    /// Returns an executor for one execution. The preemption bound does not apply, since the
    /// schedule makes the choices.
    pub(super) fn replay_executor(&self, schedule: &Schedule, is_lenient: bool) -> Executor {
        let replay = Replay::new(schedule.clone(), is_lenient);
        self.executor_with(Strategy::Other(Box::new(replay)), schedule.rules)
    }

    fn executor_with(&self, strategy: Strategy, rules: Rules) -> Executor {
        let executor = Executor::new(rules, strategy, self.max_steps, self.stack_bytes);
        #[cfg(feature = "net")]
        let executor = executor.with_network(self.network);
        executor
    }

    /// Returns the code that replays a schedule.
    pub(super) fn replayed_by(&self) -> String {
        #[cfg(feature = "net")]
        if let Some(network) = self.network {
            return format!("leno::weave::Explorer::new().network({network}).replay");
        }
        "leno::weave::replay".to_owned()
    }

    pub(super) fn is_exhaustive(&self) -> bool {
        !matches!(self.coverage, Coverage::Sampled(..))
    }

    /// Returns the most executions that may be run.
    pub(super) fn most_executions(&self) -> u64 {
        match (self.max_executions, self.max_time) {
            (None, None) if !self.is_exhaustive() => DEFAULT_SAMPLES,
            (most, _) => most.unwrap_or(u64::MAX),
        }
    }

    /// Returns these options, with executions that are drawn with this seed.
    pub(super) fn with_seed(&self, seed: u64) -> Options {
        let method = match self.coverage {
            Coverage::Sampled(method, _) => method,
            Coverage::All | Coverage::Reduced => Method::Portfolio,
        };
        Options { coverage: Coverage::Sampled(method, seed), ..self.clone() }
    }
}
