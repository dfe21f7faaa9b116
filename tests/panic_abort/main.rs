//! A program built with `panic = "abort"`: supported operations work, and the others
//! end the process with the documented texts.

mod generated;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use generated::{Package, cargo, command, own_words};

const PROFILES: &str = "[profile.dev]\npanic = \"abort\"\n";
const PROGRAM: &str = include_str!("program.txt");
const SIGABRT: i32 = 6;

/// How a run of the program ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(scenario: &str) -> Outcome {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        Package::write("panic_abort", &[], PROFILES, PROGRAM).build(cargo(), "dev")
    });
    let mut program = command(binary);
    let output =
        program.arg(scenario).env("RUST_BACKTRACE", "0").output().expect("the program starts");
    Outcome {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8(output.stdout).expect("the output is text"),
        stderr: own_words(&output.stderr),
    }
}

#[track_caller]
fn works(scenario: &str, stdout: &str) {
    let expected =
        Outcome { code: Some(0), signal: None, stdout: stdout.to_owned(), stderr: String::new() };
    assert_eq!(run(scenario), expected);
}

/// Asserts that the program aborts, and returns its standard error.
#[track_caller]
fn aborts(scenario: &str, stdout: &str) -> String {
    let outcome = run(scenario);
    assert_eq!(outcome.signal, Some(SIGABRT), "{outcome:?}");
    assert_eq!(outcome.stdout, stdout);
    outcome.stderr
}

/// Removes the digits, such as the number of the OS thread and the line, from std's
/// text.
fn without_numbers(stderr: &str) -> String {
    stderr.split(|letter: char| letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect()
}

const CANNOT_UNWIND: &str = "leno: a suspended coroutine was dropped, and this program is built \
                             with panic=\"abort\", so its stack cannot be unwound\nleno: run it to \
                             its end, forget it, or build with panic=\"unwind\"\n";

#[test]
fn a_coroutine_runs_to_its_end() {
    works("coroutine", "1 2 3 end\n");
}

#[test]
fn a_generator_runs_to_its_end() {
    works("generator", "0 1 4 9\n");
}

#[test]
fn nested_coroutines_run_to_their_end() {
    works("nested", "10 20 11 21\n");
}

#[test]
fn coroutines_in_a_scope_run_to_their_end() {
    works("scope", "6\n");
}

#[test]
fn green_threads_work() {
    works("green threads", "12xy3z\njoined\nunparked\n6\n");
}

#[test]
fn dropping_a_suspended_coroutine_aborts() {
    assert_eq!(aborts("drop suspended", "suspended\n"), CANNOT_UNWIND);
}

#[test]
fn closing_a_suspended_coroutine_aborts() {
    assert_eq!(aborts("close suspended", "suspended\n"), CANNOT_UNWIND);
}

#[test]
fn dropping_an_unfinished_generator_aborts() {
    assert_eq!(aborts("drop generator", "0\n"), CANNOT_UNWIND);
}

#[test]
fn a_scope_that_ends_before_its_coroutines_aborts() {
    assert_eq!(aborts("leave scope", "1\n"), CANNOT_UNWIND);
}

#[test]
fn forgetting_a_suspended_coroutine_works() {
    works("forget suspended", "forgotten\n");
}

#[test]
fn dropping_an_unstarted_coroutine_drops_its_closure() {
    works("drop new", "dropped\nafter\n");
}

#[test]
fn dropping_a_finished_coroutine_works() {
    works("drop done", "dropped\nafter\n");
}

#[test]
fn a_panic_in_a_coroutine_aborts() {
    let stderr = aborts("panic", "");
    assert!(stderr.contains("in the coroutine"), "{stderr}");
    assert!(!stderr.contains("leno:"), "{stderr}");
}

#[test]
fn a_panic_in_a_green_thread_aborts() {
    let stderr = aborts("panic in a green thread", "");
    assert!(stderr.contains("in the green thread"), "{stderr}");
    assert!(stderr.starts_with("leno: green thread #2 panics\n"), "{stderr}");
    assert_eq!(stderr.matches("leno:").count(), 1, "{stderr}");
}

#[test]
fn a_deadlock_prints_the_report_and_aborts() {
    let stderr = aborts("deadlock", "");
    let report = "deadlock: every green thread waits, and nothing is left that could wake one\n  \
                  main           waits for the end of 'waiter' (#)  at src/main.rs::\n  \
                  'waiter' (#)  waits for unpark                    at src/main.rs::\n";
    assert!(without_numbers(&stderr).contains(report), "{stderr}");
}

#[test]
fn an_overflow_is_reported() {
    let stderr = aborts("overflow", "");
    let expected = "\nleno: coroutine `panic_abort::main::{{closure}}` has overflowed its stack of \
                    262144 bytes\n  if it does not recurse for ever, give it a larger one with \
                    Coroutine::with_stack(Stack::new(524288)?, ..)\n";
    assert_eq!(stderr, expected);
}
