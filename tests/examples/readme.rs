//! What README says of the examples is what they do.

use super::succeed;

#[test]
fn readme_shows_what_the_first_example_prints() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(block.expect("README has a block of output"), succeed("01_interleave", &[]));
    let commands = readme.lines().filter_map(|line| line.strip_prefix("cargo "));
    assert_eq!(commands.take(2).collect::<Vec<_>>(), ["run --example 01_interleave", "test"]);
}
