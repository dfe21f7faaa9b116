//! AddressSanitizer, with the cargo feature `sanitizer`: the suite is clean, and
//! planted mistakes on coroutine stacks are found, which shows that the check works.
//!
//! The test needs a nightly toolchain and rebuilds the suite, so it runs only on
//! request: `LENO_SANITIZER=1 cargo test --test sanitizer -- --nocapture`.

#[path = "panic_abort/generated.rs"]
mod generated;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use generated::{Package, command};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROGRAM: &str = include_str!("panic_abort/sanitized.txt");

/// With detection of uses after return, frames live on a separate "fake stack", which
/// has to follow each switch. Both modes are tested.
const FAKE_STACKS: [&str; 2] =
    ["detect_stack_use_after_return=0", "detect_stack_use_after_return=1"];

/// Returns `true` if the sanitizer was requested and can run here, and prints the
/// reason if not.
fn is_wanted() -> bool {
    let wanted = env::var_os("LENO_SANITIZER").is_some_and(|value| value == "1");
    if !wanted {
        eprintln!("AddressSanitizer was not requested; LENO_SANITIZER=1 runs it.");
    } else if !cfg!(target_arch = "x86_64") {
        eprintln!("AddressSanitizer was not run: it is set up for {TARGET} only.");
    }
    wanted && cfg!(target_arch = "x86_64")
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

/// Builds the program without and with optimisation, since inlined functions share a
/// frame.
fn binaries() -> &'static [PathBuf; 2] {
    static BINARIES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let package =
            Package::write("sanitized", &["sanitizer", "weave", "debug", "net"], "", PROGRAM);
        ["dev", "release"].map(|profile| package.build(nightly(), profile))
    })
}

/// Runs a scenario of the program.
fn run(binary: &Path, scenario: &str, options: &str) -> Output {
    command(binary).arg(scenario).env("ASAN_OPTIONS", options).output().expect("the program starts")
}

/// No scenario has a report or even a warning.
#[test]
fn switches_of_every_kind_are_clean() {
    if !is_wanted() {
        return;
    }
    for binary in binaries() {
        let list = run(binary, "list", "").stdout;
        let list = String::from_utf8(list).expect("the list is text");
        assert!(list.lines().count() >= 10, "{list}");
        for (scenario, options) in list.lines().flat_map(|line| FAKE_STACKS.map(|o| (line, o))) {
            let output = run(binary, scenario, options);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{scenario}, {options}:\n{stderr}");
            assert_eq!(stderr, "", "{scenario}, {options}");
        }
    }
}

/// Planted mistakes, with the names of ASan's reports and the options that are needed.
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

/// Parts of the names of tests that cannot run under ASan.
const EXCLUDED: [&str; 23] = [
    // ASan has its own handler for faults, which reports them.
    "foreign::",
    "a_later_handler_can_hand_a_null_pointer_to_leno",
    "a_mapped_file_that_has_shrunk_is_a_bus_error",
    "a_raised_signal_has_the_same_effect_as_without_leno",
    "the_main_green_thread_is_reported_by",
    "a_main_green_thread_that_spawned_no_other",
    "frames_larger_than_the_guard_in_the_main_green_thread",
    "the_main_green_thread_of_a_second_runtime",
    "a_signal_without_room",
    // ASan makes mlockall do nothing.
    "exhausted_lockable_memory_names_the_limit",
    // ASan does not probe frames that it has enlarged beyond a page.
    "the_first_frame_",
    "with_a_large_closure",
    "captures_are_aligned_on_stacks_of_every_colour",
    // At the end of an OS thread ASan unmaps the signal stack that is set at that time.
    "a_small_signal_stack_is_restored_at_the_end",
    "the_signal_stack_is_large_enough_on_every_thread",
    "a_signal_stack_set_later_is_kept",
    // The tests unwind and trace frames that are written by hand, or look up unwind tables, which
    // are not found where ASan has its own unwinder.
    "single_step::",
    "contract::the_frame_record_of_a_root_names_the_root",
    "contract::a_backtrace_",
    "coroutines::a_backtrace_",
    "threads::a_backtrace_",
    "canaries_hold_when_a_suspended_coroutine_is_closed",
    // This test would take minutes, and the smaller models cover the same code.
    "models::channel::selects_match_the_model",
];

/// Parts of the names of tests that cannot run with fake stacks.
const EXCLUDED_WITH_FAKE_STACKS: [&str; 11] = [
    // These tests measure how deep a stack is used, or where a local variable is.
    "stack::a_deep_stack_returns_its_pages_in_the_pool",
    "stack::a_stack_can_be_used_to_its_end",
    "stack::high_water_follows_the_deepest_use",
    "stack::the_pool_reuses_the_most_recent_stack_of_a_size",
    "stack::neighbouring_stacks_start_on_different_cache_lines",
    "debug::dump::the_dump_shows_the_use_of_stacks",
    // These take minutes, and spend so little time on stacks that the first run is
    // enough.
    "models::",
    "weave::checking::an_incomplete_check_samples_and_says_so",
    "weave::checking::sampling_finds_what_depth_first_search_misses",
    "weave::sampled::a_thousand_green_threads_are_sampled",
    // There is no address space for the fake stacks.
    "limits::an_exhausted_address_space_names_the_limit",
];

/// Cargo's arguments for the packages and tests of the suite. corosensei, which some tests compare
/// with leno, has its own annotations. `fp-env` changes what a switch saves, which is nothing to
/// ASan, so the suite runs with that feature here instead of in a leg of its own.
const SUITES: [&[&str]; 2] = [
    &[
        "-p",
        "leno",
        "--features=sanitizer,fp-env,corosensei/sanitizer",
        "--test=it",
        "--test=crash",
        "--test=net",
    ],
    &["-p", "leno-registers", "--features=sanitizer"],
];

#[test]
fn the_suite_is_clean() {
    if !is_wanted() {
        return;
    }
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sanitizer");
    for (package, options) in
        SUITES.iter().flat_map(|package| FAKE_STACKS.map(|options| (*package, options)))
    {
        let mut cargo = nightly();
        cargo.args(["test", "--offline", "--no-fail-fast", "--target", TARGET]);
        cargo.args(package).arg("--target-dir").arg(&target_dir).arg("--");
        let more = if options == FAKE_STACKS[1] { &EXCLUDED_WITH_FAKE_STACKS[..] } else { &[] };
        for test in EXCLUDED.iter().chain(more) {
            cargo.args(["--skip", test]);
        }
        // Instructions take longer under ASan, so fewer random programs run.
        cargo.env("LENO_TEST_PROGRAMS", "1000").env("LENO_TEST_SHARE", "20");
        // Values of forgotten coroutines are leaked on purpose.
        cargo.env("ASAN_OPTIONS", format!("{options}:detect_leaks=0"));
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("rustup runs");
        assert!(
            output.status.success(),
            "{package:?} under {options}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
