//! Programs for std's threads, locks, channels and sockets are ported to leno by replacing
//! `std::` with `leno::` in their imports, and a program for crossbeam's channels by
//! replacing `crossbeam_channel` with `leno::channel`. All print the same as before.
//!
//! The test makes the replacement in the text, builds both versions of each program
//! into one package, and runs them.

#[path = "panic_abort/generated.rs"]
mod generated;

use generated::{Package, cargo, command, own_words};

const PROGRAM: &str = include_str!("port/program.rs");
const CHANNELS: &str = include_str!("port/channels.rs");
const SOCKETS: &str = include_str!("port/sockets.rs");

const MAIN: &str = r#"
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("std") => with_std::main(),
        Some("leno") => leno::run(with_leno::main),
        Some("crossbeam's channels") => channels_with_crossbeam::main(),
        Some("leno's channels") => leno::run(channels_with_leno::main),
        Some("std's sockets") => sockets_with_std::main(),
        Some("leno's sockets") => {
            leno::Builder::new().cancel_rest().run(sockets_with_leno::main)
        }
        other => panic!("unknown version {other:?}"),
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

const EXPECTED_OF_CHANNELS: &str = "\
    {1: 1, 2: 6, 3: 18, 4: 40, 5: 75, 6: 126, 7: 196}, 28 dealt
(1, 5)
true
ticks: several
true
true
true
Err(RecvError)
";

const EXPECTED_OF_SOCKETS: &str = r#"["None", "Some(\"0\")", "None", "what?"]
["None", "Some(\"0\")", "None", "what?"], true
5 clients asked where
"name0 0\nname1 100\nname2 200\nname3 300\nname4 400\n"
(5, 48)
6 clients
Ok(0)
ConnectionRefused
WouldBlock
"#;

/// Replaces the imports of modules that leno has, and asserts that these change exactly
/// `lines` lines.
fn port(program: &str, replacements: &[(&str, &str)], lines: usize) -> String {
    let ported = replacements.iter().fold(program.to_owned(), |text, (from, to)| {
        let (from, to) = (format!("use {from}"), format!("use {to}"));
        assert!(text.contains(&from), "the program does not have: {from}");
        text.replace(&from, &to)
    });
    let changed = program.lines().zip(ported.lines()).filter(|(before, after)| before != after);
    let is_import =
        |line: &str| replacements.iter().any(|(from, _)| line.starts_with(&format!("use {from}")));
    assert!(changed.clone().all(|(before, _)| is_import(before)));
    assert_eq!(changed.count(), lines);
    ported
}

#[test]
fn programs_are_ported_to_leno_by_their_imports() {
    let threads = [("std::thread", "leno::thread"), ("std::time", "leno::time")];
    let [thread, time] = threads;
    let program = port(PROGRAM, &[("std::sync", "leno::sync"), thread, time], 5);
    let channels = port(CHANNELS, &[("crossbeam_channel", "leno::channel"), thread, time], 4);
    let net = [("std::net", "leno::net"), ("std::os::unix::net", "leno::os::unix::net")];
    let sync = ("std::sync", "leno::sync");
    let sockets = port(SOCKETS, &[net[0], net[1], sync, thread, time], 6);

    let main = format!(
        "mod with_std {{\n{PROGRAM}}}\nmod with_leno {{\n{program}}}\n\
         mod channels_with_crossbeam {{\n{CHANNELS}}}\n\
         mod channels_with_leno {{\n{channels}}}\n\
         mod sockets_with_std {{\n{SOCKETS}}}\nmod sockets_with_leno {{\n{sockets}}}\n{MAIN}"
    );
    let crossbeam = "[dependencies.crossbeam-channel]\nversion = \"0.5\"\n";
    let binary = Package::write("port", &["net"], crossbeam, &main).build(cargo(), "dev");
    for (version, expected) in [
        ("std", EXPECTED),
        ("leno", EXPECTED),
        ("crossbeam's channels", EXPECTED_OF_CHANNELS),
        ("leno's channels", EXPECTED_OF_CHANNELS),
        ("std's sockets", EXPECTED_OF_SOCKETS),
        ("leno's sockets", EXPECTED_OF_SOCKETS),
    ] {
        let output = command(&binary).arg(version).output().expect("the program starts");
        assert_eq!(own_words(&output.stderr), "", "{version}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{version}");
        assert!(output.status.success(), "{version}: {}", output.status);
    }
}
