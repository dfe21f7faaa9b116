//! Mistakes of the page of an exploration, planted one at a time. The tests in `tests/weave/page.rs` run
//! with each mistake. This test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=page cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake(
        "page-lost-unexplored",
        "!passes[node as usize]",
        "a turn is lost though not all executions after it were run",
    ),
    mistake("page-lost-everywhere", "Some(place)", "a turn is lost though all executions fail"),
    mistake("page-counts-once", "{}", "executions that leave the tree at one place count once"),
    mistake("page-turned-round", "escaped.push(c)", "a value changes the direction of text"),
    mistake("page-script-ends", "out.push(c)", "a value ends the script"),
    mistake(
        "page-cut-unsaid",
        "self.tree.end(node, outcome, None, false)",
        "executions without steps are not told from the others",
    ),
    mistake("page-proves-all", "true", "a page of some executions proves"),
    mistake("page-same-around", "", "the search around a failure repeats the failure"),
];

#[test]
fn every_mistake_of_the_page_is_found() {
    try_mistakes("page", &Kit::page(), MISTAKES);
}
