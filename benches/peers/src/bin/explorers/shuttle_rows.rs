//! Rows of shuttle, with the settings of its own functions `check_dfs` and `check_random`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shuttle::Runner;
use shuttle::scheduler::{DfsScheduler, RandomScheduler, Scheduler};

use crate::Explored;
use crate::programs::{DRAWN, DRAWN_LONG, FEW, MANY, SEED};

crate::programs::programs!(shuttle);
crate::programs::larger_programs!(shuttle);

fn run(
    scheduler: impl Scheduler + 'static,
    program: impl Fn() + Send + Sync + 'static,
) -> Explored {
    let executions = Runner::new(scheduler, shuttle::Config::default()).run(program) as u64;
    Explored { executions, outcomes: None }
}

fn all(program: impl Fn() + Send + Sync + 'static) -> Explored {
    run(DfsScheduler::new(None, false), program)
}

/// Explores all executions, and counts the values that the program returns.
fn all_told(program: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Explored {
    let outcomes = Arc::new(Mutex::new(BTreeMap::new()));
    let counted = outcomes.clone();
    let explored = all(move || {
        let outcome = program();
        *counted.lock().expect("no thread panics").entry(outcome).or_insert(0) += 1;
    });
    let outcomes = outcomes.lock().expect("no thread panics").len();
    Explored { outcomes: Some(outcomes), ..explored }
}

fn random(executions: u64, program: impl Fn() + Send + Sync + 'static) -> Explored {
    run(RandomScheduler::new_from_seed(SEED, executions as usize), program)
}

pub fn steps<const THREADS: usize>() -> Explored {
    all(larger_programs::steps::<THREADS>)
}

pub fn yields() -> Explored {
    all(|| programs::yields(FEW))
}

pub fn yields_told() -> Explored {
    all_told(programs::yields_told)
}

pub fn locks() -> Explored {
    all(programs::locks)
}

pub fn locks_told() -> Explored {
    all_told(programs::locks_told)
}

pub fn buffer() -> Explored {
    random(DRAWN, larger_programs::buffer)
}

pub fn long() -> Explored {
    random(DRAWN_LONG, || programs::yields(MANY))
}

pub fn long_depth_first() -> Explored {
    run(DfsScheduler::new(Some(DRAWN_LONG as usize), false), || programs::yields(MANY))
}
