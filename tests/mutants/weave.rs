//! Typical mistakes of explorers, planted in weave one at a time. The oracle of `tests/weave_oracle` is
//! built and run with each mistake. This test fails if the oracle does not find one.
//!
//! ```text
//! LENO_MUTANTS=weave cargo test --test mutants
//! ```

use super::runtime::{Mutant, check_that_they_fit, mutant, try_mistakes};
use super::workshop::Kit;

/// The number of programs of each kind.
const PROGRAMS: &str = "400";

const DIRECTED: &str = "src/explore/controlled_run.rs";
const ENGINE: &str = "src/weave/engine.rs";
const FAIRNESS: &str = "src/weave/fairness.rs";
const OPERATING: &str = "src/explore/report.rs";
const ORDER: &str = "src/weave/order.rs";
const RERUN: &str = "src/explore/rerun.rs";
const REDUCTION: &str = "src/weave/reduction.rs";
const SAMPLING: &str = "src/weave/sampling.rs";
const TRACK: &str = "src/explore/path.rs";
const TREE: &str = "src/weave/tree.rs";
const USED: &str = "src/weave/used.rs";

const MUTANTS: &[Mutant] = &[
    // All executions.
    mutant(TREE, "last.taken += 1;", "last.taken += 2;", "an alternative is skipped"),
    mutant(
        TRACK,
        "|| choice.among != among",
        "",
        "those who can run are told from others by how many they are",
    ),
    mutant(
        TRACK,
        "if choice.of as usize != of || choice.number != number(taken) {",
        "if choice.of as usize != of {",
        "who is taken need not be who was taken before",
    ),
    mutant(
        ENGINE,
        "let is_fair = rules.fair || rules.preemptive;",
        "let is_fair = false && rules.fair;",
        "who yields lets nobody go first",
    ),
    mutant(
        FAIRNESS,
        "thread.behind &= !had;",
        "thread.behind &= had;",
        "who lets others go first waits for those who had a turn",
    ),
    mutant(
        OPERATING,
        "Done::Spawns => is_look,",
        "Done::Spawns => true,",
        "nobody runs between a spawn and what comes next",
    ),
    mutant(RERUN, "self.main.token.set(false);", "", "a token is there in the next execution"),
    mutant(
        DIRECTED,
        "        directed.done.set(Done::Nothing);\n        // SAFETY: the track chooses",
        "        // SAFETY: the track chooses",
        "a green thread that has just been chosen is chosen again before it does anything",
    ),
    // The reduction.
    mutant(
        REDUCTION,
        "&& !conflict(&tried.used, &event.used, tried.numbered)",
        "&& true",
        "whoever sleeps sleeps for good",
    ),
    mutant(
        REDUCTION,
        "let Some(place) = self.order.event(earlier).node else { return };",
        "let Some(place) = self.order.event(later).node else { return };",
        "the other order is tried at the wrong choice",
    ),
    mutant(
        REDUCTION,
        "if is_first {",
        "if is_first || true {",
        "whoever is in the part that does not depend is taken to begin it",
    ),
    mutant(
        ORDER,
        "all(Used::is_await) => {\n                return;\n            }\n            \
         Access::Look => Access::Read,",
        "all(Used::is_await) => {\n                return;\n            }\n            \
         Access::Look => return,",
        "a wait is a wait, whatever is done before it in the same step",
    ),
    mutant(
        ORDER,
        "Access::Look if !self.has_yielded && event",
        "Access::Look if event",
        "a turn that only finds that it has to wait is no turn",
    ),
    mutant(
        ORDER,
        "self.used(FIRST_PANIC, Access::Write);",
        "self.used(FIRST_PANIC, Access::Read);",
        "which panic is first makes no difference",
    ),
    mutant(
        REDUCTION,
        "node.wanted = bit(ready[first]) | set & bit(CLOCK);",
        "node.wanted = bit(ready[first]);",
        "time that could have passed is not tried",
    ),
    mutant(
        ORDER,
        "self.used(UNWINDING | thread, Access::Read);",
        "",
        "whether one is unwound depends on nobody",
    ),
    mutant(
        REDUCTION,
        "node.wake_if_other(later.thread, &later.used);",
        "",
        "who sleeps and wakes as another is not tried",
    ),
    mutant(
        USED,
        "!matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))",
        "!matches!((one, other), (Commute, Commute))",
        "reads race with reads",
    ),
    mutant(
        USED,
        "!matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))",
        "!matches!((one, other), (Read | Await, Read | Await))",
        "what commutes is taken for a write",
    ),
    mutant(
        USED,
        "orders(one, other) && !matches!((one, other), (Commute, Await) | (Await, Commute))",
        "orders(one, other)",
        "a wait races with what it waits for",
    ),
    mutant(
        USED,
        "if access == Access::Write {\n                    break;",
        "if access != Access::Write {\n                    break;",
        "only the last use of an object is looked at",
    ),
    mutant(
        USED,
        "(number == other_number || (is_new(number) && is_new(other_number)))",
        "number == other_number",
        "objects of two executions are the same if they have the same number",
    ),
    // Random exploration.
    mutant(
        SAMPLING,
        "before.saturating_sub(had).max(1) as usize",
        "(before.saturating_sub(had).max(1) as usize).min(1)",
        "all are as likely, however many turns they have left",
    ),
    mutant(
        SAMPLING,
        "Random::new(self.seed ^ index.wrapping_mul(0xd134_2543_de82_ef95))",
        "Random::new(self.seed ^ (index & 0))",
        "all executions are drawn with the same numbers",
    ),
    mutant(
        SAMPLING,
        "position(|&change| change == step)",
        "position(|&change| change == step + 1_000_000)",
        "priorities stay",
    ),
    mutant(
        SAMPLING,
        "self.steps_at_first = steps;",
        "self.steps_at_first = steps / 4;",
        "priorities fall only at the beginning",
    ),
];

#[test]
fn every_mistake_in_the_explorer_is_found() {
    try_mistakes("weave", &Kit::weave(PROGRAMS), MUTANTS);
}

#[test]
fn the_mistakes_fit_the_sources() {
    check_that_they_fit(MUTANTS);
}
