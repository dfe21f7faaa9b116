//! A program that uses std's threads, locks and channels is moved to leno by
//! replacing `std::` by `leno::` in its imports, and prints the same.
//!
//! The replacement is done here, on the text; both versions are built into one
//! package, and run.

#[path = "panic_abort/generated.rs"]
mod generated;

use generated::{Package, cargo, command, own_words};

const PROGRAM: &str = include_str!("port/program.rs");

const MAIN: &str = r#"
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("std") => with_std::main(),
        Some("leno") => leno::run(with_leno::main),
        other => panic!("which one? {other:?}"),
    }
}
"#;

const EXPECTED: &str = "\
    {'a': 3, 'd': 4, 'e': 8, 'f': 1, 'g': 1, 'h': 2, 'l': 4, 'm': 1, 'n': 1, 'o': 2, 'p': 1, \
    'r': 2, 's': 2, 't': 3, 'u': 1, 'v': 1, 'w': 2}
6 texts by 3 workers
the feeder's name: None
leaders: 4, sum: Ok(30)
true
Err(RecvError), true
true, Mutex { data: OnceLock(\"text\"), poisoned: true, .. }
";

/// The imports of what leno has: nothing else is changed.
fn port(program: &str) -> String {
    let modules = ["sync", "thread", "time"];
    modules.iter().fold(program.to_owned(), |text, module| {
        let (from, to) = (format!("use std::{module}"), format!("use leno::{module}"));
        assert!(text.contains(&from), "the program does not use {module}");
        text.replace(&from, &to)
    })
}

#[test]
fn a_program_is_moved_to_leno_by_its_imports() {
    let ported = port(PROGRAM);
    let changed = PROGRAM.lines().zip(ported.lines()).filter(|(before, after)| before != after);
    assert!(changed.clone().all(|(before, _)| before.starts_with("use std::")));
    assert_eq!(changed.count(), 5);

    let main = format!("mod with_std {{\n{PROGRAM}}}\nmod with_leno {{\n{ported}}}\n{MAIN}");
    let binary = Package::write("port", &[], "", &main).build(cargo(), "dev");
    for version in ["std", "leno"] {
        let output = command(&binary).arg(version).output().expect("it starts");
        assert_eq!(own_words(&output.stderr), "", "{version}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), EXPECTED, "{version}");
        assert!(output.status.success(), "{version}: {}", output.status);
    }
}
