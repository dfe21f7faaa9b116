//! Mistakes of files, planted in leno one at a time. The tests in `tests/files` run with each mistake. This
//! test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=files cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake(
        "lent-frame-left",
        "{ if scheduler.block(wait, None) == Outcome::Interrupted { interrupted() } }",
        "a cancelled thread leaves a frame that is lent to the pool",
    ),
    mistake("left-while-opening", "{ $; true }", "a cancelled thread leaves a file that is opened"),
    mistake(
        "done-lost",
        "{ let it = $; scheduler.checkpoint(); it }",
        "a cancellation after a call takes what was done",
    ),
    mistake("stream-unawaited", "false", "a FIFO is read on the pool, and not waited for"),
    mistake("room-kept", "", "a cancelled read leaves room for more bytes behind"),
];

#[test]
fn every_mistake_of_files_is_found() {
    try_mistakes("files", &Kit::files(), MISTAKES);
}
