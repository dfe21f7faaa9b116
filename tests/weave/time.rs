//! Time that passes while a green thread can run.

use std::time::Duration;

use leno::thread;
use leno::time::Instant;
use leno::weave::Explorer;

/// Returns `true` if the deadline passes before the other thread unparks this one.
fn is_late() -> bool {
    let waits = thread::current();
    thread::spawn(move || waits.unpark());
    let start = Instant::now();
    thread::park_timeout(Duration::from_millis(1));
    start.elapsed() > Duration::ZERO
}

/// An unpark and the deadline are dependent, since each prevents the other's wake.
#[test]
fn a_reduced_exploration_includes_early_deadlines() {
    for explorer in [Explorer::new(), Explorer::new().preemptive()] {
        let explorer = explorer.timed();
        let all = explorer.explore(is_late);
        let reduced = explorer.clone().reduced().explore(is_late);
        assert_eq!(all.outcomes().keys().collect::<Vec<_>>(), [&false, &true], "{all}");
        assert!(all.outcomes().keys().eq(reduced.outcomes().keys()), "{all}\n\n{reduced}");
    }
}
