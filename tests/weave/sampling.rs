//! Explorations that sample executions.

use leno::weave::{Explorer, Shared};

/// Two green threads count up without a lock.
fn lost_update() -> u32 {
    let total = Shared::new(0);
    leno::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| total.set(total.get() + 1));
        }
    });
    total.into_inner()
}

/// The first execution runs twice, to check that the program is deterministic. That
/// must not change a strategy's choices for the second run.
#[test]
fn every_sampling_strategy_repeats_its_first_execution() {
    for seed in 1..=20 {
        let explorer = Explorer::new().preemptive().max_executions(100);
        for explorer in [
            explorer.clone().random(seed),
            explorer.clone().uniform(seed),
            explorer.clone().pct(seed, 2),
            explorer.clone().pct(seed, 3),
            explorer.clone().portfolio(seed),
        ] {
            let report = explorer.explore(lost_update);
            assert!(report.failure().is_none(), "{explorer:?}: {report}");
            assert_eq!(report.executions(), 100);
            assert_eq!(report.outcomes().keys().collect::<Vec<_>>(), [&1, &2], "{explorer:?}");
        }
    }
}
