//! What every example does with its arguments, and when its output is not read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::{fs, io};

use super::{command, refuse, run, schedules, succeed};

const WITHOUT_ARGUMENTS: [&str; 5] =
    ["02_producer_consumer", "03_inside_out", "06_chat", "07_embed", "08_async_bridge"];

const WITH_ARGUMENTS: [&str; 13] = [
    "01_interleave",
    "04_million",
    "05_threads_vs_green",
    "09_deadlock",
    "10_timeline",
    "11_weave",
    "12_check",
    "13_echo",
    "14_http",
    "15_chat_server",
    "16_all_cores",
    "17_workers",
    "18_pipeline",
];

#[test]
fn every_example_answers_a_call_for_help() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let files = files.filter(|file| file.as_ref().unwrap().path().is_file()).count();
    let all = WITHOUT_ARGUMENTS.iter().chain(&WITH_ARGUMENTS);
    assert_eq!(files, all.clone().count(), "a new example belongs into the lists above");
    for name in all {
        for arguments in [&["--help"][..], &["-h"], &["something", "--help"]] {
            let help = succeed(name, arguments);
            let (about, usage) = help.split_once("\n\nusage: cargo run ").expect(&help);
            assert!(about.ends_with('.') && !about.contains('\n'), "{name}: {help}");
            assert!(usage.contains(&format!("--example {name}")), "{name}: {help}");
            assert_eq!(usage.contains(" -- "), WITH_ARGUMENTS.contains(name), "{name}: {help}");
        }
    }
}

#[test]
fn unknown_arguments_are_refused() {
    for name in WITHOUT_ARGUMENTS {
        refuse(name, &["something"], "knows no argument \"something\"");
    }
    for name in WITH_ARGUMENTS.iter().chain(&WITHOUT_ARGUMENTS) {
        refuse(name, &["--foo"], "\"--foo\"");
    }
    assert!(!Path::new("--foo").exists(), "an option is no file");
    refuse("12_check", &["foo"], "one file is enough");
}

/// As in `example | head -0`: the reader ends before the example prints anything.
#[test]
fn a_closed_pipe_ends_an_example_quietly() {
    let with_arguments: [(&str, &[&str]); 6] = [
        ("01_interleave", &[]),
        ("11_weave", &[]),
        ("12_check", &[]),
        ("13_echo", &["1", "1"]),
        ("14_http", &["127.0.0.1:0"]),
        ("15_chat_server", &["127.0.0.1:0"]),
    ];
    let all = WITHOUT_ARGUMENTS.map(|name| (name, &[][..])).into_iter().chain(with_arguments);
    for (name, arguments) in all {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = command(name).args(arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.signal(), &*stderr), (Some(libc::SIGPIPE), ""), "{name}");
    }
}

#[test]
fn the_interleaving_and_the_weave_read_the_same_schedules() {
    for letters in schedules(3, 3) {
        let woven = succeed("01_interleave", &[&letters]);
        let text = woven.lines().next().unwrap();
        let replayed = succeed("11_weave", &[&letters]);
        let line = replayed.lines().next().unwrap();
        let (printed, schedule) = line.split_once(" is printed by the schedule ").unwrap();
        assert_eq!(printed, text);
        // What one of them prints, the other one reads, in one word or in several.
        for arguments in [vec![schedule], schedule.split(' ').collect()] {
            assert_eq!(succeed("01_interleave", &arguments), woven, "{schedule}");
            assert_eq!(succeed("11_weave", &arguments), replayed, "{schedule}");
        }
    }
    refuse("11_weave", &["AABBAC"], "there is no routine 'C'");
    refuse("11_weave", &["A4"], "routine A is already over");
    refuse("11_weave", &["A2 B2"], "leaves more than one routine with steps");
    refuse("11_weave", &["AABBAB", "--random"], "each name an interleaving");
}

#[test]
fn the_check_counts_failures_and_has_a_mended_variant() {
    let ran = run("12_check", &[""; 0]);
    assert_eq!((ran.status, &*ran.stdout), (101, "4 of 6 executions fail\n"), "{}", ran.stderr);
    assert_eq!(succeed("12_check", &["mended"]), "0 of 2 executions fail\n");
}

#[test]
fn malformed_arguments_of_the_interleaving_are_refused() {
    let cases: &[(&[&str], &str)] = &[
        (&["AB=12", "A"], "\"AB\" is no name for a routine"),
        (&["=12", "A"], "\"\" is no name for a routine"),
        (&["1=ab", "1"], "\"1\" is no name for a routine"),
        (&["A=", "A"], "routine A has no steps"),
        (&["A=12", "A=34", "AA"], "there are two routines A"),
        (&["A=1 2", "AAA"], "routine A has the step ' '"),
        (&["A=1\n2", "AAA"], "routine A has the step '\\n'"),
        (&["AABBAB", "ABABAB"], "routine A is already over"),
    ];
    for (arguments, words) in cases {
        refuse("01_interleave", arguments, words);
    }
    refuse("01_interleave", &[OsStr::from_bytes(b"A\xff")], "is not UTF-8");
}
