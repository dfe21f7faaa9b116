//! Inspection of a runtime.

mod dump;
mod signal;
mod stalled;
mod visits;

use leno::debug;

/// Returns the part of the dump about one green thread, from its name to its last
/// frame.
fn block<'a>(dump: &'a str, thread: &str) -> &'a str {
    let blocks = dump.split("\n\n");
    let found = blocks.into_iter().find(|block| {
        let rest = block.strip_prefix("  ").and_then(|block| block.strip_prefix(thread));
        rest.is_some_and(|rest| rest.starts_with("  "))
    });
    found.unwrap_or_else(|| panic!("there is no {thread} in\n{dump}"))
}

/// Returns the functions in a block, the innermost first.
fn functions(block: &str) -> Vec<&str> {
    let frame = |line: &'_ str| -> Option<usize> {
        let (number, _) = line.trim_start().split_once(": ")?;
        number.parse::<usize>().is_ok().then(|| line.find(": ").unwrap() + 2)
    };
    block.lines().filter_map(|line| frame(line).map(|at| &line[at..])).collect()
}

/// Returns the last parts of the functions' paths, without generic arguments.
/// Closures are called `closure`: with line tables as debug information, only the
/// line of a closure identifies it.
fn short(block: &str) -> Vec<&str> {
    let last = |path: &'_ str| -> (usize, usize) {
        let generic = if path.ends_with('>') { path.find('<').filter(|&at| at > 0) } else { None };
        let path = path[..generic.unwrap_or(path.len())].trim_end_matches("::");
        (path.rfind("::").map_or(0, |at| at + 2), path.len())
    };
    let named = |path| {
        let (from, to) = last(path);
        if path[from..].starts_with('{') { "closure" } else { &path[from..to] }
    };
    functions(block).into_iter().map(named).collect()
}

#[test]
fn inspection_needs_a_runtime() {
    use crate::support::panic_text;
    use std::time::Duration;
    let needs =
        |name| format!("leno::debug::{name} needs a runtime: call it from inside leno::run");
    assert_eq!(panic_text(debug::dump), needs("dump"));
    assert_eq!(panic_text(|| debug::stalled(Duration::ZERO)), needs("stalled"));
    assert_eq!(panic_text(debug::dump_on_sigusr1), needs("dump_on_sigusr1"));
}
