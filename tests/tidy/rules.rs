//! The rules. Each is a function that returns the complaints about a file's text.

use super::lexer::{closing_brace, code_only, line_of, words};

/// The most lines of a file.
pub const MOST_LINES: usize = 500;
/// The most lines of a function.
pub const MOST_FUNCTION_LINES: usize = 70;

/// The layers. Each may use only the layers before it.
const LAYERS: [&[&str]; 25] = [
    &["arch", "sys"],
    &["stack"],
    &["coroutine", "kernel"],
    &["access"],
    &["timer"],
    &["cancel"],
    &["remote"],
    &["inspect"],
    &["driver"],
    &["runtime"],
    &["time"],
    &["channel"],
    &["thread", "sync", "bridge"],
    &["shards"],
    &["fs", "io", "signal"],
    &["net"],
    &["process"],
    &["os"],
    &["workers"],
    &["draw"],
    &["debug"],
    &["explore"],
    &["weave"],
    &["confined"],
    &["lib"],
];

/// The folders and files that may contain unsafe code.
const MAY_BE_UNSAFE: [&str; 32] = [
    "arch/",
    "src/sys/",
    "src/stack/",
    "src/coroutine/",
    "src/kernel/",
    // Whether a slot holds a message depends on the counts of sent and received messages.
    "src/channel/ring.rs",
    // `from_ptr`, as in std.
    "src/sync/atomic.rs",
    // Impls of `Send` and `Sync` under a bound that never holds.
    "src/confined.rs",
    // The state that a feature keeps with a scheduler: `unsafe impl SchedulerState`.
    "src/timer/timers.rs",
    "src/cancel/numbers.rs",
    "src/remote/inbox.rs",
    "src/remote/future.rs",
    // A closure on another OS thread borrows from the frame that waits for it.
    "src/remote/pool.rs",
    "src/inspect/cycles.rs",
    "src/inspect/debugger_table.rs",
    "src/inspect/debug/hog_sampler.rs",
    "src/inspect/debug/signal_dump.rs",
    "src/inspect/debug/stack_visit.rs",
    "src/inspect/debug/trace.rs",
    "src/driver/poll.rs",
    "src/driver/prefetch.rs",
    "src/driver/io/slot.rs",
    // What only one OS thread uses is in an object that all may refer to.
    "src/driver/io/source.rs",
    // `FromRawFd`, as in std.
    "src/os/fd.rs",
    // `pre_exec`, as in std.
    "src/os/unix/process.rs",
    "src/explore/run.rs",
    "src/explore/enabled_set.rs",
    "src/explore/choose.rs",
    "src/runtime/next.rs",
    "src/runtime/instance.rs",
    "src/runtime/room.rs",
    "src/runtime/spawn.rs",
];

/// Exported macros are at the crate's root, whatever file defines them.
const EXPORTED_MACROS: [&str; 3] = ["green_local", "select", "select_biased"];

/// The number of a line, and the complaint about it.
pub type Complaint = (usize, String);

/// Returns the index of a module's layer.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Returns the top-level module that `path` belongs to: `stack` for `src/stack/pool.rs`.
fn top_module(path: &str) -> &str {
    if path.starts_with("arch/") {
        return "arch";
    }
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let name = inside.split('/').next().unwrap_or(inside);
    name.strip_suffix(".rs").unwrap_or(name)
}

/// Finds uses of a module that is not in a lower layer.
pub fn layers(path: &str, source: &str) -> Vec<Complaint> {
    let code = code_only(source);
    let own = top_module(path);
    let Some(own_layer) = layer(own) else {
        return vec![(1, format!("the module `{own}` has no place in the list of layers"))];
    };
    let mut found = Vec::new();
    for (at, name) in uses_of_crate(&code) {
        let line = line_of(&code, at);
        match layer(name) {
            _ if name == own || own == "lib" => {}
            Some(used) if used < own_layer && own != "arch" => {}
            Some(_) => found.push((line, format!("`{own}` uses `{name}`, which is not below it"))),
            None if EXPORTED_MACROS.contains(&name) => {}
            // An item of the crate's root, such as `crate::spawn`.
            None => found.push((line, format!("`{own}` uses `crate::{name}`: not a layer"))),
        }
    }
    let depth = path.split('/').count() - if path.ends_with("/mod.rs") { 2 } else { 1 };
    let climb = "super::".repeat(depth.max(1));
    if own != "lib" && own != "arch" {
        found.extend(code.match_indices(&climb).map(|(at, _)| {
            (line_of(&code, at), "reaches the crate's root by `super`: write `crate`".to_owned())
        }));
    }
    if own == "arch" {
        let foreign = words(&code).filter(|(_, word)| ["std", "alloc", "libc"].contains(word));
        found
            .extend(foreign.map(|(at, word)| {
                (line_of(&code, at), format!("`arch` uses `{word}`: only core"))
            }));
    }
    found
}

/// Returns the name of every `crate::name`, and every name of `crate::{..}`, with its place.
fn uses_of_crate(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate` is in a macro, which any module may use.
        if code[..at].ends_with('$') {
            continue;
        }
        let after = at + "crate::".len();
        if !code[after..].starts_with('{') {
            found.extend(words(&code[after..]).next().map(|(_, name)| (at, name)));
            continue;
        }
        let end = closing_brace(code, after).unwrap_or(code.len());
        let mut depth = 0;
        let mut start = after + 1;
        for (index, c) in code[after + 1..end].char_indices().chain([(end - after - 1, ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = &code[start..after + 1 + index];
                    found.extend(words(part).next().map(|(_, name)| (start, name)));
                    start = after + 2 + index;
                }
                _ => {}
            }
        }
    }
    found
}

/// Finds unsafe code in files that may not contain it.
pub fn unsafe_place(path: &str, source: &str) -> Vec<Complaint> {
    if MAY_BE_UNSAFE.iter().any(|allowed| path.starts_with(allowed)) {
        return Vec::new();
    }
    let code = code_only(source);
    words(&code)
        .filter(|(_, word)| *word == "unsafe")
        .map(|(at, _)| (line_of(&code, at), "no unsafe code here: see tests/tidy".to_owned()))
        .collect()
}

/// The parts of sockets that work with any engine: on handles, and not on descriptors of the system.
const ANY_ENGINE: [&str; 11] = [
    "src/net/",
    "src/fs/",
    "src/io/",
    "src/driver/io/call.rs",
    "src/driver/io/file/",
    "src/driver/io/options.rs",
    "src/driver/io/readiness.rs",
    "src/driver/io/slot.rs",
    "src/driver/io/source.rs",
    "src/driver/io/sources.rs",
    "src/driver/io/table.rs",
];

/// Finds descriptors and calls of the system where sockets work with any engine.
pub fn descriptors(path: &str, source: &str) -> Vec<Complaint> {
    if !ANY_ENGINE.iter().any(|part| path.starts_with(part)) {
        return Vec::new();
    }
    let code = code_only(source);
    words(&code)
        .filter(|(_, word)| ["RawFd", "OwnedFd", "libc", "socket2"].contains(word))
        .map(|(at, word)| (line_of(&code, at), format!("`{word}` ties sockets to one engine")))
        .collect()
}

/// Finds unsafe blocks and impls without a SAFETY comment, and unsafe functions without a section
/// `# Safety`.
pub fn safety_comments(source: &str) -> Vec<Complaint> {
    let code = code_only(source);
    let source_lines: Vec<&str> = source.lines().collect();
    let code_lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, _) in words(&code).filter(|(_, word)| *word == "unsafe") {
        let line = line_of(&code, at);
        let rest = code[at + "unsafe".len()..].trim_start();
        let above = || comments_above(&source_lines, &code_lines, line);
        if rest.starts_with('{') || rest.starts_with("impl") {
            if !above().contains("SAFETY:") {
                found.push((line, "no SAFETY comment above it".to_owned()));
            }
        } else if is_definition(rest) {
            let public = code_lines[line - 1].trim_start().starts_with("pub");
            let comments = above();
            if !comments.contains("# Safety") && (public || !comments.contains("SAFETY:")) {
                found.push((line, "its documentation has no section `# Safety`".to_owned()));
            }
        }
    }
    found
}

/// Returns `true` if `rest`, which follows the word `unsafe`, defines a function or a trait. Types of
/// functions, attributes and blocks of declarations do not.
fn is_definition(rest: &str) -> bool {
    if rest.starts_with("trait ") {
        return true;
    }
    let signature = rest.strip_prefix("extern").unwrap_or(rest).trim_start();
    let name = signature.strip_prefix("fn").map(str::trim_start);
    name.is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// Returns the comments on the line, and above it up to the beginning of the statement.
fn comments_above(source: &[&str], code: &[&str], line: usize) -> String {
    let mut comments = String::new();
    for index in (0..line).rev() {
        let text = code[index].trim();
        let is_own = index + 1 == line;
        // The end of another item or statement, to which the comments above it belong.
        let is_attribute = text.starts_with("#[") || text.is_empty() && !source[index].is_empty();
        if !is_own && !is_attribute && (text.is_empty() || text.ends_with([';', '{', '}'])) {
            break;
        }
        if let Some(comment) = source[index].find("//") {
            comments.insert_str(0, &source[index][comment..]);
        }
    }
    comments
}

/// Finds files and functions that are too long. The markers of `tests/mutants` do not count as lines of
/// a file: a mistake is no reason to split it.
pub fn sizes(source: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    let is_marker = |line: &&str| line.trim_start().starts_with("// mistake: ");
    let lines = source.lines().filter(|line| !is_marker(line)).count();
    if lines > MOST_LINES {
        found.push((lines, format!("{lines} lines, more than {MOST_LINES}")));
    }
    let code = code_only(source);
    for (at, _) in words(&code).filter(|(_, word)| *word == "fn") {
        let signature = &code[at..];
        // The type of a function has no name.
        if !signature.starts_with("fn ") {
            continue;
        }
        let end = signature.find(['{', ';']).map(|offset| at + offset);
        let Some(open) = end.filter(|&end| code[end..].starts_with('{')) else { continue };
        let Some(close) = closing_brace(&code, open) else { continue };
        let length = line_of(&code, close) - line_of(&code, at) + 1;
        if length > MOST_FUNCTION_LINES {
            let what = format!("a function of {length} lines, more than {MOST_FUNCTION_LINES}");
            found.push((line_of(&code, at), what));
        }
    }
    found
}

/// Finds macros of unfinished code.
pub fn leftovers(source: &str) -> Vec<Complaint> {
    let code = code_only(source);
    words(&code)
        .filter(|(at, word)| {
            ["todo", "dbg", "unimplemented"].contains(word)
                && code[at + word.len()..].starts_with('!')
        })
        .map(|(at, word)| (line_of(&code, at), format!("`{word}!` is left over")))
        .collect()
}

/// Finds files that do not open with a doc comment.
pub fn opening(source: &str) -> Vec<Complaint> {
    if source.starts_with("//! ") {
        return Vec::new();
    }
    vec![(1, "does not open with `//!` and its purpose".to_owned())]
}

/// Returns the items that a file of `arch/` defines for the layers above.
pub fn defined_items(source: &str) -> Vec<String> {
    let code = code_only(source);
    let mut found: Vec<String> = code
        .lines()
        .filter_map(|line| line.strip_prefix("pub(crate) "))
        .filter_map(|line| {
            let mut names = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            names.find(|word| ["const", "struct", "fn", "type", "static"].contains(word))?;
            names.find(|word| !word.is_empty()).map(str::to_owned)
        })
        .collect();
    found.sort();
    found
}

/// Returns the items that the table in `arch/mod.rs` lists.
pub fn listed_items(source: &str) -> Vec<String> {
    let mut found: Vec<String> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    found.sort();
    found
}

/// Checks that the numbers at the beginning of the names are 1, 2, 3 and so on.
pub fn numbering(names: &[String]) -> Vec<String> {
    let mut numbers: Vec<Option<usize>> =
        names.iter().map(|name| name.split_once('_')?.0.parse().ok()).collect();
    numbers.sort();
    let expected = (1..=names.len()).map(Some);
    if numbers.iter().copied().eq(expected) {
        return Vec::new();
    }
    vec![format!("examples are numbered from 1 without a gap, and there are {names:?}")]
}
