//! Time that passes while somebody can run.

use std::time::Duration;

use leno::thread;
use leno::time::Instant;
use leno::weave::Explorer;

/// Does a deadline come before the one who would have been in time?
fn is_late() -> bool {
    let waits = thread::current();
    thread::spawn(move || waits.unpark());
    let start = Instant::now();
    thread::park_timeout(Duration::from_millis(1));
    start.elapsed() > Duration::ZERO
}

/// Whoever ends a wait takes from the clock what the clock would have done.
#[test]
fn a_reduced_exploration_sees_that_a_deadline_may_come_first() {
    for explorer in [Explorer::new(), Explorer::new().preemptive()] {
        let explorer = explorer.timed();
        let all = explorer.explore(is_late);
        let reduced = explorer.clone().reduced().explore(is_late);
        assert_eq!(all.outcomes().keys().collect::<Vec<_>>(), [&false, &true], "{all}");
        assert!(all.outcomes().keys().eq(reduced.outcomes().keys()), "{all}\n\n{reduced}");
    }
}
