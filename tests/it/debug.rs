//! What a runtime tells about itself.

mod dump;
mod signal;
mod stalled;
mod visits;

use leno::debug;

/// What the dump says of one green thread, from its name to its last frame.
fn block<'a>(dump: &'a str, who: &str) -> &'a str {
    let blocks = dump.split("\n\n");
    let found = blocks.into_iter().find(|block| {
        let rest = block.strip_prefix("  ").and_then(|block| block.strip_prefix(who));
        rest.is_some_and(|rest| rest.starts_with("  "))
    });
    found.unwrap_or_else(|| panic!("there is no {who} in\n{dump}"))
}

/// The functions in a block, the innermost first.
fn functions(block: &str) -> Vec<&str> {
    let frame = |line: &'_ str| -> Option<usize> {
        let (number, _) = line.trim_start().split_once(": ")?;
        number.parse::<usize>().is_ok().then(|| line.find(": ").unwrap() + 2)
    };
    block.lines().filter_map(|line| frame(line).map(|at| &line[at..])).collect()
}

/// The last parts of the paths of the functions, without what they are generic over.
/// A closure is that: where the debug information is line tables, whose it is can
/// only be told from its line.
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
fn nothing_of_it_works_outside_a_runtime() {
    use crate::support::panic_text;
    use std::time::Duration;
    let needs =
        |name| format!("leno::debug::{name} needs a runtime: call it from inside leno::run");
    assert_eq!(panic_text(debug::dump), needs("dump"));
    assert_eq!(panic_text(|| debug::stalled(Duration::ZERO)), needs("stalled"));
    assert_eq!(panic_text(debug::dump_on_sigusr1), needs("dump_on_sigusr1"));
}
