//! The rules of language: comments name things and not persons, and the doc comment of a function
//! begins with a verb in the third person.

use std::ops::Range;

use super::lexer::{closing_brace, code_only, comments_only, line_of, words};
use super::rules::Complaint;

/// Pronouns of persons. `persons` also finds the pair of "no" and "one".
const PERSONS: [&str; 11] = [
    "who",
    "whom",
    "whose",
    "whoever",
    "somebody",
    "nobody",
    "everybody",
    "anybody",
    "someone",
    "anyone",
    "everyone",
];

/// Lines that may speak of persons: a file, a part of the line, and the reason.
const PERSONS_ALLOWED: &[(&str, &str, &str)] =
    &[("examples/06_chat.rs", "A guest who does not read", "a guest is a person")];

/// The verbs with which the doc comment of a function may begin. A verb is added by a decision in
/// review: first look for a verb of this list with the same meaning.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "Aborts", "Accepts", "Acquires", "Acts", "Adds", "Advances", "Allocates", "Allows",
    "Alternates", "Analyses", "Announces", "Answers", "Appends", "Applies", "Approximates", "Asks",
    "Asserts", "Assigns", "Attaches", "Awaits", "Backtracks", "Bakes", "Begins", "Binds", "Blocks",
    "Borrows", "Bounds", "Builds", "Calls", "Cancels", "Captures", "Carries", "Catches", "Changes",
    "Checks", "Chooses", "Clears", "Clones", "Closes", "Collects", "Combines", "Compares",
    "Compiles", "Completes", "Computes", "Configures", "Connects", "Consumes", "Contains", "Continues",
    "Converts", "Copies", "Corrupts", "Counts", "Creates", "Deadlocks", "Decides", "Declares",
    "Decodes", "Decrements", "Defers", "Delays", "Deletes", "Delivers", "Derives", "Descends",
    "Describes", "Detaches", "Detects", "Determines", "Disables", "Discards", "Disconnects",
    "Divides", "Does", "Downgrades", "Drains", "Draws", "Drops", "Empties", "Enables", "Encodes",
    "Ends", "Enqueues", "Ensures", "Enters", "Estimates", "Evaluates", "Excludes", "Executes",
    "Exits", "Expands", "Explains", "Explores", "Extends", "Fails", "Fills", "Finds", "Finishes",
    "Flushes", "Follows", "Forces", "Forgets", "Formats", "Forwards", "Frees", "Generates",
    "Gives", "Grants", "Grows", "Handles", "Hands", "Hears", "Holds", "Identifies", "Ignores",
    "Implements", "Includes", "Increments", "Indents", "Initialises", "Inserts", "Inspects",
    "Installs", "Interrupts", "Invokes", "Iterates", "Joins", "Keeps", "Lays", "Leaks", "Leaves",
    "Lets", "Limits", "Links", "Lists", "Locks", "Looks", "Lowers", "Makes", "Maps", "Marks",
    "Masks", "Matches", "Measures", "Merges", "Models", "Moves", "Names", "Nests", "Notes",
    "Notifies", "Opens", "Orders", "Overflows", "Overwrites", "Panics", "Parks", "Parses",
    "Passes", "Performs", "Permits", "Picks", "Plants", "Poisons", "Polls", "Pops", "Posts",
    "Predicts", "Prefetches", "Prepares", "Prevents", "Prints", "Produces", "Proves", "Publishes",
    "Pushes", "Puts", "Queues", "Raises", "Reads", "Rebuilds", "Receives", "Reclaims", "Records",
    "Recurses", "Reduces", "Refuses", "Registers", "Reinstalls", "Rejects", "Releases", "Removes",
    "Renames", "Renders", "Repeats", "Replaces", "Replays", "Reports", "Requests", "Requires",
    "Reserves", "Resets", "Resizes", "Resolves", "Restarts", "Restores", "Resumes", "Retries",
    "Returns", "Reverses", "Revokes", "Rounds", "Runs", "Samples", "Saves", "Says", "Scales",
    "Scans", "Schedules", "Searches", "Selects", "Sends", "Serves", "Sets", "Shields", "Shortens",
    "Shows", "Shrinks", "Shuffles", "Shuts", "Signals", "Silences", "Simulates", "Skips", "Sleeps",
    "Sorts", "Spawns", "Spins", "Splits", "Starts", "Steps", "Stops", "Stores", "Strips",
    "Subtracts", "Suspends", "Swaps", "Switches", "Takes", "Tells", "Terminates", "Tests", "Ticks",
    "Touches", "Traces", "Transfers", "Translates", "Traverses", "Tries", "Trims", "Truncates",
    "Types", "Unblocks", "Unites", "Unlinks", "Unlocks", "Unmaps", "Unparks", "Unregisters",
    "Unwinds", "Unwraps", "Updates", "Upgrades", "Uses", "Validates", "Verifies", "Visits",
    "Waits", "Wakes", "Walks", "Watches", "Withdraws", "Wraps", "Writes", "Yields",
];

/// Finds pronouns of persons in comments and docs.
pub fn persons(path: &str, source: &str) -> Vec<Complaint> {
    let comments = comments_only(source);
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    let mut previous: Option<Range<usize>> = None;
    for (at, word) in words(&comments) {
        let is_person = PERSONS.iter().any(|person| word.eq_ignore_ascii_case(person));
        let is_no_one = word.eq_ignore_ascii_case("one")
            && previous.is_some_and(|no| {
                comments[no.clone()].eq_ignore_ascii_case("no") && is_gap(&comments[no.end..at])
            });
        previous = Some(at..at + word.len());
        if !is_person && !is_no_one {
            continue;
        }
        let line = line_of(source, at);
        let text = lines[line - 1];
        let is_allowed =
            |&(file, part, _): &(&str, &str, &str)| file == path && text.contains(part);
        if !PERSONS_ALLOWED.iter().any(is_allowed) {
            let word = if is_no_one { "no one" } else { word };
            found.push((line, format!("`{word}` is a person: name the thing that is meant")));
        }
    }
    found
}

/// Returns `true` if only a space or the break of a comment's line is between two words.
fn is_gap(between: &str) -> bool {
    between.chars().all(|c| c.is_whitespace() || c == '/' || c == '!')
}

/// Finds doc comments of functions that do not begin with a verb of the list. Exempt are functions in
/// trait impls and in macros (their docs are those of the trait, or of the macro's users), tests (their
/// docs state a fact), and the programs of the gallery (their docs name the bug).
pub fn verbs(path: &str, source: &str) -> Vec<Complaint> {
    let code = code_only(source);
    let exempt = exempt_ranges(&code);
    let code_lines: Vec<&str> = code.lines().collect();
    let source_lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (at, _) in words(&code).filter(|(_, word)| *word == "fn") {
        // The type of a function has no name.
        let has_name = code[at..].starts_with("fn ");
        if !has_name || exempt.iter().any(|range| range.contains(&at)) {
            continue;
        }
        let line = line_of(&code, at);
        if is_test(&code_lines, line) || path.starts_with("tests/weave/gallery/") {
            continue;
        }
        if let Some((doc, text)) = doc_above(&source_lines, &code_lines, line) {
            let first: String = text.chars().take_while(|c| c.is_alphabetic()).collect();
            if !VERBS.contains(&&*first) {
                let start: String = text.chars().take(30).collect();
                found.push((doc, format!("`{start}` does not begin with a verb of the list")));
            }
        }
    }
    found
}

/// Returns `true` if the function that begins at a line has the attribute `#[test]`.
fn is_test(code: &[&str], line: usize) -> bool {
    let above = code[..line - 1].iter().rev().map(|line| line.trim());
    above.take_while(|line| line.is_empty() || line.starts_with("#[")).any(|line| line == "#[test]")
}

/// Returns the places of trait impls and of macros.
fn exempt_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (at, word) in words(code) {
        let before = code[..at].rsplit('\n').next().unwrap_or("").trim();
        let is_exempt = match word {
            "macro_rules" => true,
            "impl" if before.is_empty() || before == "unsafe" => {
                let header = code[at..].split('{').next().unwrap_or("");
                // `for<'a>` is a bound and not a trait's implementor.
                words(header).any(|(place, word)| {
                    word == "for" && !header[place + word.len()..].starts_with('<')
                })
            }
            _ => false,
        };
        if is_exempt {
            let end = closing_brace(code, at).unwrap_or(code.len());
            ranges.push(at..end);
        }
    }
    ranges
}

/// Returns the first line of the doc comment above `line`, with its number, if there is one.
fn doc_above<'s>(source: &[&'s str], code: &[&str], line: usize) -> Option<(usize, &'s str)> {
    let mut doc = None;
    // Brackets of attributes of several lines that are open, seen from below.
    let mut open = 0_i32;
    for index in (0..line - 1).rev() {
        let text = source[index].trim_start();
        if let Some(rest) = text.strip_prefix("///") {
            doc = Some((index + 1, rest.trim()));
        } else if doc.is_some() || open == 0 && !is_between(text, code[index].trim()) {
            break;
        } else {
            let count = |c: char| code[index].matches(c).count() as i32;
            open += count(']') - count('[');
        }
    }
    doc
}

/// Returns `true` if a line may be between a doc comment and its function: an attribute, a comment, or
/// a line of a signature that begins above the word `fn`.
fn is_between(text: &str, code: &str) -> bool {
    text.starts_with("#[") || text.ends_with(']') || text.starts_with("//") && code.is_empty()
}

#[test]
fn the_list_of_verbs_is_sorted_and_has_no_repetition() {
    for pair in VERBS.windows(2) {
        assert!(pair[0] < pair[1], "{} and {}", pair[0], pair[1]);
    }
    assert!(VERBS.iter().all(|verb| verb.ends_with('s')), "a verb in the third person ends in s");
}
