//! Mistakes of workers, planted in leno one at a time. The tests in `tests/workers` run with each mistake. This
//! test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=workers cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake("workers-pass-nothing", "false", "the descriptors of a worker are closed in it"),
    mistake("workers-descriptor-leaks", "0", "what a worker starts has its descriptors"),
    mistake("workers-inherit-role", "true", "what a worker starts takes itself for a worker"),
    mistake("workers-foreign-systemd", "true", "the listeners of another process are taken"),
    mistake("workers-mode-inherited", "()", "a worker does not wait for connections"),
    mistake("workers-lines-split", "false", "an event of the log has several lines"),
    mistake("workers-stop-unsaid", "std::io::Result::Ok(())", "a worker is not told to stop"),
    mistake("workers-never-give-up", "false", "a worker that always fails is started for ever"),
    mistake("workers-hang-for-ever", "", "a worker that is never ready is waited for"),
    mistake("workers-outlive-deadline", "", "a worker that does not stop is waited for"),
    mistake("workers-cancelled-job-runs", "", "a job goes on when it is not wanted any more"),
    mistake("workers-stop-first", "{ process.tell_to_stop(); $ }", "a worker stops too early"),
    mistake("workers-replaced-stay", "drop(old)", "a worker that was replaced goes on"),
    mistake("workers-second-order-lost", "bounded(0)", "an order during a replacement is lost"),
    mistake("workers-replace-on", "", "a replacement goes on after a failure"),
    mistake("workers-outlive-master", "", "a worker goes on without a master"),
    mistake("workers-early-end-passes", "process::exit(0)", "a worker ends before it is ready"),
    mistake("workers-deaf", "false", "a worker does not stop on a signal"),
];

#[test]
fn every_mistake_of_workers_is_found() {
    try_mistakes("workers", &Kit::workers(), MISTAKES);
}
