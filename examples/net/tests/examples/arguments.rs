//! What every example does with its arguments.

use std::fs;
use std::path::Path;

use super::process::Process;

/// Arguments that an example refuses, and words of its reason.
const UNFIT: &[(&str, &[&str], &str)] = &[
    ("http_client", &["http://localhost/", "0"], "\"0\" is not a number of requests"),
    ("http_client", &["http://localhost/", "1", "0"], "\"0\" is not a number of seconds"),
    ("http_client", &["a", "1", "1", "b", "c"], "four arguments are enough"),
    ("postgres", &["host=localhost port=many"], "invalid value for option `port`"),
    ("postgres", &["host=localhost", "some"], "\"some\" is not a number of green threads"),
    ("redis_client", &["localhost:1", "-5"], "\"-5\" is not a number of green threads"),
    ("redis_client", &["localhost:1", "1", "1", "1"], "an address and two numbers"),
    ("redis_server", &["localhost:1", "x"], "an address is enough"),
    ("tls", &["serve"], "serve or connect"),
    ("websocket", &["1", "2", "3", "4"], "three numbers are enough"),
    ("websocket", &["many"], "\"many\" is not a number of clients"),
];

fn names() -> Vec<String> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_example_answers_a_call_for_help() {
    for name in names() {
        let help = Process::example(&name, &["something", "--help"]).succeeds();
        let (about, usage) = help.split_once("\n\nusage: cargo run ").expect(&help);
        assert!(about.ends_with('.') && !about.contains('\n'), "{help}");
        assert!(usage.contains(&format!("--bin {name} -- [")), "{help}");
        assert!(!usage.contains("  "), "{help}");
    }
}

#[test]
fn unknown_arguments_are_refused() {
    for name in names() {
        let error = Process::example(&name, &["--foo"]).fails(2);
        assert!(error.contains("\"--foo\""), "{error}");
        assert!(UNFIT.iter().any(|(other, ..)| *other == name), "{name} has no case here");
    }
    for (name, arguments, words) in UNFIT {
        let error = Process::example(name, arguments).fails(2);
        assert!(error.contains(words), "{name} {arguments:?}: {error}");
    }
}

#[test]
fn the_readme_has_every_example() {
    let readme = include_str!("../../README.md");
    for name in names() {
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is missing");
    }
}
