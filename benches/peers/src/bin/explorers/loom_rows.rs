//! Rows of loom. loom has no scopes, at most five threads including the main thread, and no random
//! exploration, so it is in some rows only.
//!
//! `loom::model` sets up a log and then calls `Builder::check`. The rows call `Builder::check`
//! directly, without the cost of the log.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex};

use loom::model::Builder;

use crate::Explored;
use crate::programs::{DRAWN_LONG, FEW, MANY};

crate::programs::programs!(loom);

fn run(builder: &Builder, program: impl Fn() + Send + Sync + 'static) -> Explored {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        program();
    });
    let executions = executions.load(Relaxed);
    Explored { executions, outcomes: None }
}

fn all(program: impl Fn() + Send + Sync + 'static) -> Explored {
    run(&Builder::new(), program)
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

pub fn yields() -> Explored {
    all(|| programs::yields(FEW))
}

pub fn yields_told() -> Explored {
    all_told(programs::yields_told)
}

/// Runs the yields program with a use of one atomic in place of each yield. loom treats a yield as a
/// request to run other threads first, not as a step that could come before or after theirs.
pub fn atomics() -> Explored {
    all(|| {
        let shared = Arc::new(loom::sync::atomic::AtomicU64::new(0));
        let threads = [(); 2].map(|()| {
            let shared = shared.clone();
            loom::thread::spawn(move || {
                for _ in 0..FEW {
                    shared.fetch_add(1, SeqCst);
                }
            })
        });
        for thread in threads {
            thread.join().expect("no thread panics");
        }
    })
}

/// Runs [`atomics`], and returns the thread that had each turn.
pub fn atomics_told() -> Explored {
    all_told(|| {
        let shared = Arc::new(loom::sync::atomic::AtomicU64::new(0));
        let said = Arc::new(Mutex::new(vec![0; 2 * FEW as usize]));
        let threads = [1, 2].map(|number| {
            let (shared, said) = (shared.clone(), said.clone());
            loom::thread::spawn(move || {
                for _ in 0..FEW {
                    let turn = shared.fetch_add(1, SeqCst);
                    said.lock().expect("no thread panics")[turn as usize] = number;
                }
            })
        });
        for thread in threads {
            thread.join().expect("no thread panics");
        }
        std::mem::take(&mut *said.lock().expect("no thread panics"))
    })
}

pub fn locks() -> Explored {
    all(programs::locks)
}

pub fn locks_told() -> Explored {
    all_told(programs::locks_told)
}

pub fn long() -> Explored {
    let mut builder = Builder::new();
    // By default loom gives up at a thousand choices, and checks its bound on executions once in
    // 20,000 executions. Its count includes the execution that it does not run.
    builder.max_branches = 100_000;
    builder.checkpoint_interval = 1;
    builder.max_permutations = Some(DRAWN_LONG as usize + 1);
    run(&builder, || programs::yields(MANY))
}
