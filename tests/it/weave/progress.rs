//! How far a long exploration is: told to whoever looks at a terminal.

use std::time::Duration;

use leno::weave::Explorer;

use super::steps;
use crate::support::{in_child, terminal_of_child};

/// Takes two seconds.
fn explore_slowly(explorer: Explorer) {
    let report = explorer.max_executions(130).explore(|| {
        std::thread::sleep(Duration::from_millis(17));
        steps(&[5, 5])
    });
    assert_eq!(report.executions(), 130);
}

#[test]
fn a_file_is_told_nothing() {
    let ended = in_child("weave::progress::a_file_is_told_nothing", &[], || {
        explore_slowly(Explorer::new());
    });
    ended.assert_survived();
    assert_eq!(ended.stderr(), "the child has come to its end\n");
}

#[test]
fn a_terminal_is_told_how_far_it_is() {
    let told = terminal_of_child("weave::progress::a_terminal_is_told_how_far_it_is", || {
        explore_slowly(Explorer::new());
    });
    for words in [" executions, ", "/s, ", " choices deep, about ", " left"] {
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
    // The bar is gone when all is over.
    let last = told.split("choices deep").last().unwrap();
    assert!(last.contains("\u{1b}[2K"), "{told:?}");
}

#[test]
fn a_terminal_is_told_nothing_if_nobody_wants_it() {
    let test = "weave::progress::a_terminal_is_told_nothing_if_nobody_wants_it";
    let told = terminal_of_child(test, || explore_slowly(Explorer::new().progress(false)));
    assert_eq!(told, "the child has come to its end\r\n");
}
