//! Sampled executions.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use leno::weave::{Explorer, FailureKind, replay};

use super::{lost_update, steps, text, values};
use crate::support::{panic_text, spawn_each};

type Way = (&'static str, fn(u64) -> Explorer);

fn ways() -> [Way; 5] {
    [
        ("random", |seed| Explorer::new().random(seed)),
        ("uniform", |seed| Explorer::new().uniform(seed)),
        ("pct 1", |seed| Explorer::new().pct(seed, 1)),
        ("pct 3", |seed| Explorer::new().pct(seed, 3)),
        ("portfolio", |seed| Explorer::new().portfolio(seed)),
    ]
}

#[test]
fn the_same_seed_gives_the_same_report() {
    for (way, make) in ways() {
        let report = |seed| {
            let explorer = make(seed).max_executions(60);
            text(&explorer.explore(|| steps(&[4, 4, 4])))
        };
        let reports: Vec<String> = (0..6).map(report).collect();
        assert_eq!(reports, (0..6).map(report).collect::<Vec<_>>(), "{way}");
        // PCT of depth 1 has only one execution for each order of three threads.
        let differ = (1..6).filter(|&one| reports[one] != reports[0]).count();
        assert!(differ >= 4, "{way}: {differ}");
    }
}

#[test]
fn a_report_of_samples_is_not_complete() {
    for (way, make) in ways() {
        let report = make(1).max_executions(100).explore(lost_update);
        assert_eq!((report.executions(), report.is_complete()), (100, false), "{way}");
        // PCT of depth 1 changes no priority during an execution, so that it never
        // preempts.
        let expected = if way == "pct 1" { vec![2] } else { vec![1, 2] };
        assert_eq!(values(&report), expected, "{way}");
        assert!(report.to_string().starts_with("100 executions, "));
    }
}

#[test]
fn the_default_is_ten_thousand_samples() {
    let report = Explorer::new().random(3).explore(lost_update);
    assert_eq!(report.executions(), 10_000);
    let start = Instant::now();
    let report = Explorer::new().random(3).max_time(Duration::from_millis(50)).explore(lost_update);
    assert!(report.executions() > 0 && start.elapsed() < Duration::from_secs(20));
}

#[test]
fn every_sampled_schedule_replays() {
    let program = || steps(&[4, 4, 4]);
    for (way, make) in ways() {
        let report = make(9).max_executions(40).explore(program);
        for (order, outcome) in report.outcomes() {
            assert_eq!(&replay(outcome.schedule(), program), order, "{way}");
        }
        let found = make(9).max_executions(40).find(program, |_| true).unwrap();
        assert_eq!(report.outcomes().values().filter(|one| *one.schedule() == found).count(), 1);
    }
}

#[test]
fn samples_may_be_preemptive_fair_timed_and_bounded() {
    let program = || {
        let shared = leno::weave::Shared::new(0);
        spawn_each(0..2, |_| {
            leno::sleep(Duration::from_secs(1));
            shared.set(shared.get() + 1);
            leno::yield_now();
        });
        shared.into_inner()
    };
    for (way, make) in ways() {
        let explorer = make(2).preemptive().fair().timed().max_switches(3).max_executions(50);
        let report = explorer.explore(program);
        assert_eq!((report.executions(), report.failure()), (50, None), "{way}: {report}");
        for (value, outcome) in report.outcomes() {
            assert_eq!(replay(outcome.schedule(), program), *value, "{way}");
        }
    }
}

#[test]
fn a_thousand_green_threads_are_sampled() {
    let program = || {
        let log = RefCell::new(Vec::new());
        spawn_each(0..1_000u32, |number| {
            leno::yield_now();
            log.borrow_mut().push(number);
        });
        let log = log.into_inner();
        assert_eq!(log.len(), 1_000);
        log[0]
    };
    for (way, make) in ways() {
        let report = make(4).max_executions(3).explore(program);
        assert_eq!((report.executions(), report.failure()), (3, None), "{way}");
        assert!(report.outcomes().len() > 1, "{way}");
        let (first, outcome) = report.outcomes().first_key_value().unwrap();
        let schedule = outcome.schedule().to_string();
        assert_eq!(replay(&schedule, program), *first, "{way}");
    }
    // Depth-first exploration allows as many threads; partial-order reduction does
    // not.
    for explorer in [Explorer::new(), Explorer::new().fair(), Explorer::new().preemptive()] {
        assert_eq!(explorer.max_executions(2).explore(program).failure(), None);
    }
    let report = Explorer::new().reduced().explore(program);
    assert_eq!(report.failure().unwrap().kind(), FailureKind::TooManyThreads);
    let text = panic_text(|| Explorer::new().reduced().find(program, |_| true));
    assert!(text.starts_with("the program has more than 63 green threads"), "{text}");
}

/// Above 64 threads, choices are made without a list of them. A schedule is replayed with lists.
#[test]
fn choices_among_many_threads_replay_with_every_rule() {
    let program = || {
        let log = RefCell::new(Vec::new());
        spawn_each(0..80u32, |number| {
            (0..2).for_each(|_| {
                log.borrow_mut().push(number);
                leno::yield_now();
            });
            log.borrow_mut().push(number);
        });
        log.into_inner()
    };
    let all = Explorer::new;
    for explorer in [
        all(),
        all().fair(),
        all().max_switches(2),
        all().fair().max_switches(90),
        all().preemptive(),
        all().fair().random(1),
        all().random(1).max_switches(100),
    ] {
        let report = explorer.clone().max_executions(20).explore(program);
        assert_eq!((report.executions(), report.failure()), (20, None), "{explorer:?}");
        assert_eq!(report.outcomes().len(), 20, "{explorer:?}");
        for (order, outcome) in report.outcomes() {
            assert_eq!(&replay(outcome.schedule(), program), order, "{explorer:?}");
        }
    }
}
