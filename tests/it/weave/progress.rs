//! The progress line of a long exploration, which only a terminal receives.

use std::time::Duration;

use leno::weave::Explorer;

use super::steps;
use crate::support::{child, terminal_of_child};

/// Takes two seconds.
fn explore_slowly(explorer: Explorer) {
    let report = explorer.max_executions(130).explore(|| {
        std::thread::sleep(Duration::from_millis(17));
        steps(&[5, 5])
    });
    assert_eq!(report.executions(), 130);
}

#[test]
fn a_file_receives_no_progress() {
    let ended = child(|| {
        explore_slowly(Explorer::new());
    });
    assert_eq!(ended.assert_survived().stderr(), "the child has reached its end\n");
}

#[test]
fn a_terminal_receives_the_progress() {
    let told = terminal_of_child("weave::progress::a_terminal_receives_the_progress", || {
        explore_slowly(Explorer::new());
    });
    for words in [" executions, ", "/s, ", " choices deep, about ", " left"] {
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
    // The line is erased at the end.
    let last = told.split("choices deep").last().unwrap();
    assert!(last.contains("\u{1b}[2K"), "{told:?}");
}

#[test]
fn progress_can_be_switched_off() {
    let test = "weave::progress::progress_can_be_switched_off";
    let told = terminal_of_child(test, || explore_slowly(Explorer::new().progress(false)));
    assert_eq!(told, "the child has reached its end\r\n");
}
