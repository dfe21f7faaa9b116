//! Mistakes of shards and of the channels between runtimes, planted in leno one at a time. The tests in
//! `tests/shards` run with each mistake. This test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=shards cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake("shards-lost-wake", "None", "a message wakes no thread that waits to receive"),
    mistake("shards-lost-room", "None", "a receive wakes no thread that waits to send"),
    mistake("shards-endless", "VecDeque::new()", "the last sender wakes no receiver"),
    mistake("shards-keep-wake", "", "a cancelled receiver keeps the wake of a message"),
    mistake(
        "shards-message-lost",
        "{ let mut ticket = ticket; drop(self.queue.recv(&mut ticket, || None)) }",
        "a cancelled receiver takes a message along",
    ),
    mistake("shards-keep-room", "", "a cancelled sender keeps the wake of a room"),
    mistake(
        "shards-select-stays",
        "None::<u64>",
        "a select that has ended is woken in place of others",
    ),
    mistake(
        "shards-never-cancel",
        "{ let _ = $; false }",
        "shards that are dropped wait for their green threads to end",
    ),
    mistake(
        "shards-swallow-panic",
        "$.or(Ok(()))",
        "the shutdown does not tell of a shard's panic",
    ),
];

#[test]
fn every_mistake_of_shards_is_found() {
    try_mistakes("shards", &Kit::shards(), MISTAKES);
}
