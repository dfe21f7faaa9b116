//! Accesses to shared state: where they are unreported, and that shared state is in its cell.

use super::lexer::{closing_brace, code_only, line_of};
use super::rules::Complaint;

/// The number of unreported accesses in each file that has any. A new one needs a reason that
/// convinces a reviewer, since an exploration cannot see it.
const UNREPORTED: [(&str, usize); 7] = [
    ("src/sync/mutex.rs", 1),
    ("src/sync/once.rs", 1),
    ("src/sync/poison.rs", 1),
    ("src/sync/rwlock.rs", 3),
    ("src/sync/semaphore.rs", 1),
    ("src/sync/wait_group.rs", 1),
    ("src/thread/task_group.rs", 1),
];

/// The folders of the primitives that threads share.
const PRIMITIVES: [&str; 3] = ["src/channel/", "src/sync/", "src/thread/"];

/// Finds unreported accesses that have no reason, that are in a `Debug` impl, or that
/// are not counted in [`UNREPORTED`].
pub fn unreported(path: &str, source: &str) -> Vec<Complaint> {
    if !path.starts_with("src/") || path.starts_with("src/access/") {
        return Vec::new();
    }
    let code = code_only(source);
    let mut found = Vec::new();
    let mut count = 0;
    for (at, call) in code.match_indices(".unreported(") {
        count += 1;
        let line = line_of(&code, at);
        let argument = source[at + call.len()..].trim_start();
        let reason = argument.strip_prefix('"').and_then(|text| text.split('"').next());
        if reason.is_none_or(|reason| reason.split_whitespace().count() < 3) {
            found.push((line, "an unreported access says why none can miss it".to_owned()));
        }
        if debug_impls(&code).any(|(open, close)| (open..close).contains(&at)) {
            found.push((line, "`Debug` reports what it reads".to_owned()));
        }
    }
    let expected = UNREPORTED.iter().find(|(file, _)| *file == path).map_or(0, |entry| entry.1);
    if count != expected {
        found.push((1, format!("{count} unreported accesses, of which tidy lists {expected}")));
    }
    found
}

/// Returns the places of the braces of each `Debug` impl.
fn debug_impls(code: &str) -> impl Iterator<Item = (usize, usize)> {
    code.match_indices("fmt::Debug for").filter_map(|(at, _)| {
        let open = at + code[at..].find('{')?;
        Some((open, closing_brace(code, open)?))
    })
}

/// Finds primitives with state outside of an `Observed`, and of waits that do not end
/// the access before them.
pub fn cells(path: &str, source: &str) -> Vec<Complaint> {
    if !PRIMITIVES.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let code = code_only(source);
    let of = |text, what: &'static str| {
        let code = &code;
        code.match_indices(text).map(move |(at, _)| (line_of(code, at), what.to_owned()))
    };
    of("Resource::new(", "state that threads share belongs in an `Observed`")
        .chain(of("Resource::known(", "state that threads share belongs in an `Observed`"))
        .chain(of(".waiting.wait(", "wait by way of `Accessed::wait`, which ends the access"))
        .chain(of(".waiting.enrolled(", "enroll by way of `Accessed::enrolled`"))
        .collect()
}

#[test]
fn accesses_that_break_a_rule_are_found() {
    let count = |path, text: &str| unreported(path, text).len();
    let listed = "fn f() { self.lock.unreported(\"no thread can run\").get() }";
    assert_eq!(unreported("src/sync/mutex.rs", listed), []);
    assert_eq!(count("src/sync/event.rs", listed), 1, "it is not in the list");
    assert_eq!(count("src/sync/mutex.rs", "fn f() {}"), 1, "it is gone from the file");
    assert_eq!(count("src/sync/mutex.rs", "fn f() { a.unreported(\"\") }"), 1, "no reason");
    assert_eq!(count("src/sync/mutex.rs", "fn f() { a.unreported(WHY) }"), 1, "no text");
    let debug =
        "impl fmt::Debug for A {\n    fn fmt(&self) { self.a.unreported(\"it is safe\") }\n}";
    assert_eq!(count("src/sync/mutex.rs", debug), 1, "in `Debug`");
    assert_eq!(count("src/access/observed.rs", "fn f() { a.unreported(\"\") }"), 0);
    for wrong in [
        "const R: Resource = Resource::new(\"mutex\");",
        "fn f() { self.waiting.wait(scheduler, None) }",
        "fn f() { lock.waiting.enrolled(scheduler) }",
    ] {
        assert_eq!(cells("src/sync/event.rs", wrong).len(), 1, "{wrong}");
        assert_eq!(cells("src/kernel/block.rs", wrong), [], "{wrong}");
    }
    assert_eq!(cells("src/sync/event.rs", "// Resource::new(\nfn f() { state.wait(queue) }"), []);
}
