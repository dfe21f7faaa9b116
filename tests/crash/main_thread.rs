//! The main OS thread, which a test never runs on. The scenarios are in a small program
//! of their own.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::generated::{Package, cargo, command, own_words};
use crate::harness::{is_std_report, rest_of_main_report};

const PROGRAM: &str = r#"
//! Runs the scenario in its argument on the main OS thread.
use leno::coroutine::Coroutine;
use std::hint::black_box;

type Plain = Coroutine<(), (), ()>;

#[inline(never)]
fn deep(depth: u64) -> u64 {
    let frame = black_box([depth; 8]);
    if depth == u64::MAX { 0 } else { deep(depth + 1).wrapping_add(black_box(frame)[3]) }
}

fn null() {
    unsafe { black_box(std::ptr::without_provenance::<u8>(8)).read_volatile() };
}

fn main() {
    let scenario = std::env::args().nth(1).expect("a scenario");
    match &*scenario {
        "coroutine overflows" => drop(Plain::new(|_, ()| drop(black_box(deep(0)))).resume(())),
        "green thread overflows" => leno::run(|| drop(leno::spawn(|| deep(0)))),
        "overflow" => {
            Plain::new(|_, ()| ()).resume(());
            deep(0);
        }
        "overflow of the main green thread" => leno::run(|| {
            leno::spawn(leno::yield_now).join().unwrap();
            deep(0);
        }),
        "overflow after a runtime" => {
            leno::run(leno::yield_now);
            deep(0);
        }
        "null pointer" => {
            Plain::new(|_, ()| ()).resume(());
            null();
        }
        "null pointer in a coroutine" => drop(Plain::new(|_, ()| null()).resume(())),
        "suspended at the end" => {
            let coroutine = Plain::new(|yielder, ()| {
                let _prints = Prints;
                yielder.suspend(());
            });
            coroutine.resume(());
        }
        _ => panic!("an unknown scenario"),
    }
}

struct Prints;

impl Drop for Prints {
    fn drop(&mut self) {
        eprintln!("dropped");
    }
}
"#;

/// Runs a scenario of the program, and returns its signal and standard error.
fn run(scenario: &str) -> (Option<i32>, String) {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY
        .get_or_init(|| Package::write("main_thread", &[], "", PROGRAM).build(cargo(), "dev"));
    let output = command(binary).arg(scenario).output().expect("the program starts");
    (output.status.signal(), own_words(&output.stderr))
}

#[test]
fn a_coroutine_that_overflows_is_reported() {
    let (signal, stderr) = run("coroutine overflows");
    let expected = "\nleno: coroutine `main_thread::main::{{closure}}` has overflowed its stack of \
                    262144 bytes\n  if it does not recurse for ever, give it a larger one with \
                    Coroutine::with_stack(Stack::new(524288)?, ..)\n";
    assert_eq!((signal, &*stderr), (Some(libc::SIGABRT), expected));
}

#[test]
fn a_green_thread_that_overflows_is_reported() {
    let (signal, stderr) = run("green thread overflows");
    let expected = "\nleno: green thread #2 has overflowed its stack of 262144 bytes\n  it runs \
                    `main_thread::main::{{closure}}::{{closure}}`\n  if it does not recurse for \
                    ever, give it a larger one with thread::Builder::new().stack_size(524288)\n";
    assert_eq!((signal, &*stderr), (Some(libc::SIGABRT), expected));
}

/// Asserts that std reports the overflow of the main OS thread. With musl it does not: it takes the
/// page below those that the stack had at the begin for the guard.
#[track_caller]
fn is_overflow_for_std(signal: Option<i32>, stderr: &str) {
    if cfg!(target_env = "musl") {
        assert_eq!((signal, stderr), (Some(libc::SIGSEGV), ""));
    } else {
        is_std_report(stderr, "main");
        assert_eq!(signal, Some(libc::SIGABRT));
    }
}

#[test]
fn an_overflow_of_the_main_os_thread_is_reported_by_std() {
    let (signal, stderr) = run("overflow");
    is_overflow_for_std(signal, &stderr);
}

#[test]
fn an_overflow_of_the_main_green_thread_is_reported_by_leno_and_std() {
    let (signal, stderr) = run("overflow of the main green thread");
    is_overflow_for_std(signal, rest_of_main_report(&stderr));
}

#[test]
fn an_overflow_after_a_runtime_is_reported_by_std() {
    let (signal, stderr) = run("overflow after a runtime");
    is_overflow_for_std(signal, &stderr);
}

#[test]
fn null_pointers_are_not_reported() {
    assert_eq!(run("null pointer"), (Some(libc::SIGSEGV), String::new()));
    assert_eq!(run("null pointer in a coroutine"), (Some(libc::SIGSEGV), String::new()));
}

#[test]
fn a_coroutine_suspended_at_the_end_of_main_is_unwound() {
    assert_eq!(run("suspended at the end"), (None, "dropped\n".to_owned()));
}
