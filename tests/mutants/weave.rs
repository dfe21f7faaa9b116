//! Typical mistakes of explorers, planted in weave one at a time. The oracle of `tests/weave_oracle`
//! runs with each mistake. This test fails if the oracle does not find one.
//!
//! ```text
//! LENO_MUTANTS=weave cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

/// The number of programs of each kind.
const PROGRAMS: &str = "400";

pub const MISTAKES: &[Mistake] = &[
    // All executions.
    mistake("alternative-skipped", "last.taken += 2", "an alternative is skipped"),
    mistake(
        "sets-compared-by-size",
        "self.of as usize != of",
        "enabled sets of the same size are taken to be equal",
    ),
    mistake(
        "repetition-unchecked",
        "of as u32 != choice.of || choice.number == Choice::UNSEEN",
        "a repeated choice may choose another green thread",
    ),
    mistake("never-fair", "false", "a green thread that yields lets no other go first"),
    mistake(
        "fairness-inverted",
        "thread.behind &= had",
        "a green thread that lets others go first waits for threads that had a turn",
    ),
    mistake(
        "spawn-without-choice",
        "true",
        "no other green thread runs between a spawn and the next operation",
    ),
    mistake("token-kept", "", "a token is kept for the next execution"),
    mistake(
        "chosen-again",
        "",
        "a green thread that has just been chosen is chosen again before it does anything",
    ),
    // The reduction.
    mistake(
        "sleeps-for-ever",
        "entry.thread != event.thread",
        "an entry of the sleep set is never removed",
    ),
    mistake(
        "branch-at-later",
        "self.happens_before.event(later).node",
        "the branch of a race is added at the wrong choice",
    ),
    mistake(
        "all-are-initials",
        "Some(event.thread)",
        "each green thread of the independent part is taken for an initial",
    ),
    mistake("look-is-no-read", "return", "a look never counts as a read"),
    mistake(
        "begun-wait-never-counts",
        "if event.uses[1..].iter().all(Use::is_await) { return; } $",
        "a turn that only begins to wait never counts",
    ),
    mistake(
        "panics-unordered",
        "self.accessed(FIRST_PANIC, Access::Read)",
        "which panic is first makes no difference",
    ),
    mistake(
        "clock-not-explored",
        "node.backtrack = bit(ready[first])",
        "the clock is not in the backtrack set",
    ),
    mistake(
        "cancellation-independent",
        "self.accessed(UNWINDING | 1 << 32 | thread, Access::Read)",
        "cancellation depends on no other step",
    ),
    mistake(
        "other-step-asleep",
        "",
        "a step of the sleep set that has become another one is not explored",
    ),
    mistake("reads-race", "!matches!((one, other), (Commute, Commute))", "reads race with reads"),
    mistake(
        "commuting-writes",
        "!matches!((one, other), (Read | Await, Read | Await))",
        "accesses that commute are taken for writes",
    ),
    mistake("wait-races", "orders(one, other)", "a wait races with the accesses that it waits for"),
    mistake(
        "last-use-only",
        "ends.clone().map(|(_, (event, _))| event).max()",
        "only the last use of an object is considered",
    ),
    mistake(
        "new-objects-by-number",
        "place == other_place && number == other_number",
        "objects of two executions are the same if they have the same number",
    ),
    mistake(
        "atomics-by-number",
        "(object, None)",
        "atomics of two executions are told apart by their numbers",
    ),
    mistake(
        "store-as-read",
        "operate(&self.0, Access::Read, \"store\", |it| it.store(value, order))",
        "a store to an atomic is reported as a read",
    ),
    // Random exploration.
    mistake(
        "equal-weights",
        "1",
        "all green threads are equally likely, whatever number of turns they have left",
    ),
    mistake(
        "same-random-numbers",
        "path.draw(Random::new(self.seed))",
        "all executions are drawn with the same numbers",
    ),
    mistake("priorities-stay", "None", "priorities never change"),
    mistake(
        "priorities-change-early",
        "self.steps_at_first = path.steps() / 4",
        "priorities change only at the beginning",
    ),
];

#[test]
fn every_mistake_in_the_explorer_is_found() {
    try_mistakes("weave", &Kit::weave(PROGRAMS), MISTAKES);
}
