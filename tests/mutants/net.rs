//! Mistakes of sockets, planted in leno one at a time. The tests in `tests/net` run with each mistake. This
//! test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=net cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake(
        "end-unnoticed",
        "side.is_closed.set(false)",
        "the end is forgotten after it was reported",
    ),
    mistake("end-drains", "true", "a short read after the end counts as drained"),
    mistake("turn-kept", "", "a thread that has read hands its turn to no other"),
    mistake("cancelled-call-made", "", "a cancelled thread still reads"),
    mistake("cancelled-waits-again", "", "a thread that is cancelled after its wake waits again"),
    mistake(
        "wait-uncounted",
        "waits.set(waits.get() + 1 - 1)",
        "a wait for a socket counts as none",
    ),
    mistake("no-turn-given", "", "a thread that streams lets no other run"),
    mistake("failure-connects", "{ drop(error); Ok(()) }", "a failed connection counts as made"),
    mistake("closed-unremoved", "", "a closed socket stays in the engine"),
];

#[test]
fn every_mistake_of_sockets_is_found() {
    try_mistakes("net", &Kit::net(), MISTAKES);
}
