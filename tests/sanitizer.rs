//! AddressSanitizer, with the cargo feature `sanitizer`: the suite is clean, and
//! planted mistakes on coroutines' stacks are found, so that the check is known
//! to be alive.
//!
//! It needs a nightly toolchain and builds the suite anew, so it runs only if
//! asked for: `LENO_SANITIZER=1 cargo test --test sanitizer -- --nocapture`.

#[path = "panic_abort/generated.rs"]
mod generated;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use generated::{Package, command};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROGRAM: &str = include_str!("panic_abort/sanitized.txt");

/// Frames that are checked for use after their return live on a "fake stack" of
/// their own, which has to follow each switch. Both ways are tried.
const FAKE_STACKS: [&str; 2] =
    ["detect_stack_use_after_return=0", "detect_stack_use_after_return=1"];

/// Was it asked for? If not, says so.
fn is_wanted() -> bool {
    let wanted = env::var_os("LENO_SANITIZER").is_some_and(|value| value == "1");
    if !wanted {
        eprintln!("AddressSanitizer was not asked for; LENO_SANITIZER=1 runs it.");
    }
    wanted
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    for variable in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTC"] {
        command.env_remove(variable);
    }
    command.env("RUSTFLAGS", "-Zsanitizer=address");
    command
}

/// The program, not optimised and optimised: what is inlined shares a frame.
fn binaries() -> &'static [PathBuf; 2] {
    static BINARIES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let package = Package::write("sanitized", &["sanitizer"], "", PROGRAM);
        ["dev", "release"].map(|profile| package.build(nightly(), profile))
    })
}

/// Runs one of the program's scenarios.
fn run(binary: &Path, scenario: &str, options: &str) -> Output {
    command(binary).arg(scenario).env("ASAN_OPTIONS", options).output().expect("it starts")
}

/// Every scenario runs clean, without as much as a warning.
#[test]
fn switches_of_every_kind_are_clean() {
    if !is_wanted() {
        return;
    }
    for binary in binaries() {
        let list = run(binary, "list", "").stdout;
        let list = String::from_utf8(list).expect("it is text");
        assert!(list.lines().count() >= 10, "{list}");
        for (scenario, options) in list.lines().flat_map(|line| FAKE_STACKS.map(|o| (line, o))) {
            let output = run(binary, scenario, options);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{scenario}, {options}:\n{stderr}");
            assert_eq!(stderr, "", "{scenario}, {options}");
        }
    }
}

/// Each of these is a mistake, and the name of what ASan has to call it.
const MISTAKES: [(&str, &str, &str); 8] = [
    ("use after free in a coroutine", "heap-use-after-free", ""),
    ("use after free in a green thread", "heap-use-after-free", ""),
    ("overflow of an array in a coroutine", "stack-buffer-overflow", ""),
    ("overflow of an array in a green thread", "stack-buffer-overflow", ""),
    ("overflow of an array after a switch inside a coroutine", "stack-buffer-overflow", ""),
    ("use after return in a coroutine", "stack-use-after-return", FAKE_STACKS[1]),
    ("use after return in a green thread", "stack-use-after-return", FAKE_STACKS[1]),
    ("use after the frame has ended in a coroutine", "stack-use-after-return", FAKE_STACKS[1]),
];

#[test]
fn planted_mistakes_are_found() {
    if !is_wanted() {
        return;
    }
    for (mistake, name, only) in MISTAKES {
        let runs = binaries().iter().flat_map(|binary| FAKE_STACKS.map(|o| (binary, o)));
        for (binary, options) in runs.filter(|run| only.is_empty() || run.1 == only) {
            let output = run(binary, mistake, options);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{mistake}, {options}: not found");
            let title = format!("ERROR: AddressSanitizer: {name}");
            assert!(stderr.contains(&title), "{mistake}, {options}:\n{stderr}");
        }
    }
}

/// The tests that cannot run under ASan, and why.
const EXCLUDED: [(&str, &str); 0] = [];

#[test]
fn the_suite_is_clean() {
    if !is_wanted() {
        return;
    }
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sanitizer");
    for options in FAKE_STACKS {
        let mut cargo = nightly();
        cargo.args(["test", "--offline", "--target", TARGET, "--features", "sanitizer"]);
        cargo.args(["--test", "it", "--test", "registers", "--test", "crash", "--target-dir"]);
        cargo.arg(&target_dir).arg("--");
        for (test, _reason) in EXCLUDED {
            cargo.args(["--skip", test]);
        }
        // What a forgotten coroutine owns is lost, by intention.
        cargo.env("ASAN_OPTIONS", format!("{options}:detect_leaks=0"));
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("rustup runs");
        assert!(status.success(), "the suite under {options}");
    }
}
