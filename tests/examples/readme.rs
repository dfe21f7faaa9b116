//! README shows the real output of the examples.

use super::{run, succeed};

#[test]
fn readme_shows_the_output_of_the_first_example() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(block.expect("README has a block of output"), succeed("01_interleave", &[]));
    let commands = readme.lines().filter_map(|line| line.strip_prefix("cargo "));
    assert_eq!(commands.take(2).collect::<Vec<_>>(), ["run --example 01_interleave", "test"]);
}

#[test]
fn readme_shows_the_picture_of_the_check() {
    let path = std::env::temp_dir().join(format!("leno-check-{}.svg", std::process::id()));
    succeed("12_check", &[path.to_str().expect("a path in UTF-8")]);
    let drawn = std::fs::read_to_string(&path).expect("the picture was written");
    std::fs::remove_file(&path).expect("the picture can be removed");
    let is_same = drawn == include_str!("../../docs/weave.svg");
    assert!(is_same, "run: cargo run --example 12_check -- docs/weave.svg");
}

#[test]
fn readme_shows_the_story_of_a_failed_check() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```text\n").find(|block| block.starts_with("execution 1 fails\n"));
    let block = block.and_then(|rest| rest.split("```").next()).expect("README has the story");
    let ran = run("12_check", &[""; 0]);
    assert_eq!(ran.status, 101, "{}", ran.stderr);
    assert!(ran.stderr.contains(block), "{}", ran.stderr);
    assert!(ran.stderr.contains("panicked at examples/12_check.rs:59:"), "{}", ran.stderr);
}
