//! What README says of the examples is what they do.

use super::{run, succeed};

#[test]
fn readme_shows_what_the_first_example_prints() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(block.expect("README has a block of output"), succeed("01_interleave", &[]));
    let commands = readme.lines().filter_map(|line| line.strip_prefix("cargo "));
    assert_eq!(commands.take(2).collect::<Vec<_>>(), ["run --example 01_interleave", "test"]);
}

#[test]
fn readme_shows_how_a_failed_check_explains_itself() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```text\n").find(|block| block.starts_with("execution 1 fails\n"));
    let block = block.and_then(|rest| rest.split("```").next()).expect("README has the story");
    let ran = run("12_check", &[""; 0]);
    assert_eq!((ran.status, &*ran.stdout), (101, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(block), "{}", ran.stderr);
    assert!(ran.stderr.contains("panicked at examples/12_check.rs:34:"), "{}", ran.stderr);
}
