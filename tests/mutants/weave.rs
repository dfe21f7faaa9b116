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

const CHOOSE: &str = "src/explore/choose.rs";
const CONTROLLER: &str = "src/weave/controller.rs";
const FAIRNESS: &str = "src/weave/fairness.rs";
const OBSERVE: &str = "src/explore/observe.rs";
const HAPPENS_BEFORE: &str = "src/weave/happens_before.rs";
const CONTROLLED: &str = "src/runtime/controlled.rs";
const DPOR: &str = "src/weave/dpor.rs";
const SAMPLING: &str = "src/weave/sampling.rs";
const PATH: &str = "src/explore/path.rs";
const DFS: &str = "src/weave/dfs.rs";
const DEPENDENCE: &str = "src/weave/dependence.rs";
const ATOMIC: &str = "src/sync/atomic.rs";

const MUTANTS: &[Mutant] = &[
    // All executions.
    mutant(DFS, "last.taken += 1;", "last.taken += 2;", "an alternative is skipped"),
    mutant(
        PATH,
        "|| self.among != among",
        "",
        "enabled sets of the same size are taken to be equal",
    ),
    mutant(
        PATH,
        "if self.number != number {",
        "if false {",
        "a repeated choice may choose another green thread",
    ),
    mutant(
        CONTROLLER,
        "let is_fair = rules.fair || rules.preemptive;",
        "let is_fair = false && rules.fair;",
        "a green thread that yields lets no other go first",
    ),
    mutant(
        FAIRNESS,
        "thread.behind &= !had;",
        "thread.behind &= had;",
        "a green thread that lets others go first waits for threads that had a turn",
    ),
    mutant(
        OBSERVE,
        "StepProgress::Spawns => is_look,",
        "StepProgress::Spawns => true,",
        "no other green thread runs between a spawn and the next operation",
    ),
    mutant(CONTROLLED, "main.token().set(false);", "", "a token is kept for the next execution"),
    mutant(
        CHOOSE,
        "    run.progress.set(StepProgress::Nothing);\n    enabled.take(index)",
        "    enabled.take(index)",
        "a green thread that has just been chosen is chosen again before it does anything",
    ),
    // The reduction.
    mutant(
        DPOR,
        "&& !conflict(&entry.uses, &event.uses, entry.numbered)",
        "&& true",
        "an entry of the sleep set is never removed",
    ),
    mutant(
        DPOR,
        "let Some(place) = self.happens_before.event(earlier).node else { return };",
        "let Some(place) = self.happens_before.event(later).node else { return };",
        "the branch of a race is added at the wrong choice",
    ),
    mutant(
        DPOR,
        "if is_first {",
        "if is_first || true {",
        "each green thread of the independent part is taken for an initial",
    ),
    mutant(
        HAPPENS_BEFORE,
        "all(Use::is_await) => {\n                return;\n            }\n            \
         Access::Look => Access::Read,",
        "all(Use::is_await) => {\n                return;\n            }\n            \
         Access::Look => return,",
        "a look never counts as a read",
    ),
    mutant(
        HAPPENS_BEFORE,
        "Access::Look if !self.has_yielded && event",
        "Access::Look if event",
        "a turn that only begins to wait never counts",
    ),
    mutant(
        HAPPENS_BEFORE,
        "self.accessed(FIRST_PANIC, Access::Write);",
        "self.accessed(FIRST_PANIC, Access::Read);",
        "which panic is first makes no difference",
    ),
    mutant(
        DPOR,
        "node.backtrack = bit(ready[first]) | set & bit(CLOCK);",
        "node.backtrack = bit(ready[first]);",
        "the clock is not in the backtrack set",
    ),
    mutant(
        HAPPENS_BEFORE,
        "self.accessed(UNWINDING | thread, Access::Read);",
        "",
        "cancellation depends on no other step",
    ),
    mutant(
        DPOR,
        "node.wake_if_other(later.thread, &later.uses);",
        "",
        "a step of the sleep set that has become another one is not explored",
    ),
    mutant(
        DEPENDENCE,
        "!matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))",
        "!matches!((one, other), (Commute, Commute))",
        "reads race with reads",
    ),
    mutant(
        DEPENDENCE,
        "!matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))",
        "!matches!((one, other), (Read | Await, Read | Await))",
        "accesses that commute are taken for writes",
    ),
    mutant(
        DEPENDENCE,
        "orders(one, other) && !matches!((one, other), (Commute, Await) | (Await, Commute))",
        "orders(one, other)",
        "a wait races with the accesses that it waits for",
    ),
    mutant(
        DEPENDENCE,
        "if access == Access::Write {\n                    break;",
        "if access != Access::Write {\n                    break;",
        "only the last use of an object is considered",
    ),
    mutant(
        DEPENDENCE,
        "(number == other_number || (is_new(number) && is_new(other_number)))",
        "number == other_number",
        "objects of two executions are the same if they have the same number",
    ),
    mutant(
        DEPENDENCE,
        "ATOMIC => (ATOMIC, Some(u64::MAX)),",
        "ATOMIC => (object, None),",
        "atomics of two executions are told apart by their numbers",
    ),
    mutant(
        ATOMIC,
        "operate(&self.0, Access::Write, \"store\"",
        "operate(&self.0, Access::Read, \"store\"",
        "a store to an atomic is reported as a read",
    ),
    // Random exploration.
    mutant(
        SAMPLING,
        "before.saturating_sub(had).max(1) as usize",
        "(before.saturating_sub(had).max(1) as usize).min(1)",
        "all green threads are equally likely, whatever number of turns they have left",
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
        "self.steps_at_first = path.steps();",
        "self.steps_at_first = path.steps() / 4;",
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
