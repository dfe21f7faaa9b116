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

/// The tests that cannot run under ASan, all that have this in their name.
const EXCLUDED: [&str; 16] = [
    // ASan has a handler of its own for faults, and reports them.
    "foreign::",
    "a_later_handler_can_hand_a_null_pointer_to_leno",
    "a_mapped_file_that_has_shrunk_is_a_bus_error",
    "a_raised_signal_does_what_it_does_without_leno",
    "the_main_green_thread_is_reported_by_std",
    // ASan does not probe frames that it has made larger than a page.
    "the_first_frame_",
    "with_a_large_closure",
    "an_over_aligned_capture_is_aligned_on_a_stack_of_any_colour",
    // When an OS thread ends, ASan unmaps whatever signal stack it has then.
    "a_small_one_of_the_program_is_put_back_at_the_end",
    "it_has_room_for_the_kernel_and_for_handlers_on_each_kind_of_thread",
    "one_that_the_program_sets_later_is_left_alone",
    // Frames of the tests' own, written by hand, that are unwound and traced.
    "contract::a_backtrace_",
    "coroutines::a_backtrace_",
    "threads::a_backtrace_",
    "canaries_hold_for_whoever_closes_a_suspended_coroutine",
    // It would take minutes, and the smaller ones do the same things.
    "models::channel::selects_over_two_channels",
];

/// Those that cannot run with fake stacks.
const EXCLUDED_WITH_FAKE_STACKS: [&str; 11] = [
    // They ask how deep a stack is used, or where a local variable is.
    "stack::a_deep_stack_gives_its_pages_back_when_it_returns_to_the_pool",
    "stack::all_of_a_stack_can_be_used",
    "stack::high_water_follows_the_use",
    "stack::the_pool_hands_out_the_warmest_stack_of_the_size",
    "stack::the_tops_of_neighbouring_stacks_are_staggered_over_the_cache",
    "debug::dump::it_says_how_much_stack_is_used_and_has_been",
    // They take minutes, and so little of them is on stacks that the first round is enough.
    "models::",
    "weave::checking::if_there_are_too_many_some_are_drawn_and_that_is_told",
    "weave::checking::what_only_chance_finds_is_found",
    "weave::sampled::a_thousand_green_threads_at_random",
    // There is no address space for them.
    "limits::an_address_space_that_is_used_up_is_an_error_that_names_the_limit",
];

/// Cargo's arguments for the packages and tests of the suite. corosensei, with which some tests
/// compare leno, has annotations of its own.
const SUITES: [&[&str]; 2] = [
    &["-p", "leno", "--features=sanitizer,corosensei/sanitizer", "--test=it", "--test=crash"],
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
        // Each instruction takes longer: fewer programs drawn by chance.
        cargo.env("LENO_TEST_PROGRAMS", "1000");
        // What a forgotten coroutine owns is lost, by intention.
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
