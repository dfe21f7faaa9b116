//! Programs and bounds that make no sense, or that cannot be explored. Each has a
//! defined result.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use leno::coroutine::Coroutine;
use leno::weave::{self, Explorer, Failure, FailureKind, Shared, check, explore, find, replay};

use super::{lost_update, steps, values, yield_forever};
use crate::support::{panic_text, spawn_each};

fn failure<T: Ord>(explorer: &Explorer, program: impl Fn() -> T) -> Failure {
    let report = explorer.explore(program);
    assert!(!report.is_complete() || report.failure().is_some());
    report.failure().expect("it fails").clone()
}

#[test]
fn bounds_of_zero_are_refused() {
    type Refused = (fn() -> Explorer, &'static str);
    let refused: [Refused; 4] = [
        (|| Explorer::new().max_executions(0), "an exploration of no execution finds nothing"),
        (|| Explorer::new().max_steps(0), "an execution without a step does nothing"),
        (|| Explorer::new().max_time(Duration::ZERO), "an exploration needs some time"),
        (|| Explorer::new().pct(1, 0), "a bug has a depth of at least 1"),
    ];
    for (make, words) in refused {
        let text = panic_text(make);
        assert!(text.starts_with(words), "{text}");
    }
    let text = panic_text(|| Explorer::new().workers(0));
    assert!(text.starts_with("no workers do no work"), "{text}");
    // Zero switches mean no preemption; a stack of size 0 is the smallest stack.
    let report = Explorer::new().max_switches(0).explore(|| steps(&[3, 3]));
    assert_eq!(values(&report), ["aaabbb", "bbbaaa"]);
    assert_eq!(Explorer::new().stack_size(0).explore(|| leno::scope(|_| 1)).executions(), 1);
    // No system has memory for this stack.
    let huge = Explorer::new().stack_size(usize::MAX);
    assert_eq!(failure(&huge, || drop(leno::spawn(|| ()))).kind(), FailureKind::Panic);
    // The largest bounds are accepted.
    let explorer = Explorer::new().max_executions(u64::MAX).max_steps(u64::MAX);
    let explorer = explorer.max_time(Duration::MAX).max_switches(u32::MAX);
    assert_eq!(explorer.explore(lost_update).executions(), 6);
}

#[test]
fn exploring_inside_a_runtime_is_refused() {
    for (function, text) in [
        ("explore", leno::run(|| panic_text(|| explore(|| 1)))),
        ("find", leno::run(|| panic_text(|| find(|| 1, |_| true)))),
        ("replay", leno::run(|| panic_text(|| replay("", || 1)))),
        ("check", leno::run(|| panic_text(|| check(|| 1)))),
        ("story", leno::run(|| panic_text(|| weave::story("", || 1)))),
        (
            "Explorer::first_failure",
            leno::run(|| panic_text(|| Explorer::new().first_failure(|| 1))),
        ),
        ("explore", leno::run(|| panic_text(|| Explorer::new().workers(2).explore(|| 1)))),
    ] {
        let expected = format!("leno::weave::{function} was called inside a runtime: it runs the ");
        assert!(text.starts_with(&expected), "{text}");
    }
    // A nested exploration is a failure of the program.
    let found = failure(&Explorer::new(), || explore(|| 1).executions());
    assert!(found.message().starts_with("leno::weave::explore was called inside a runtime"));
    let place = found.to_string();
    assert!(place.starts_with("main: panic at tests/it/weave/bad_input.rs:"), "{place}");
}

#[test]
fn a_coroutine_may_explore_outside_a_runtime() {
    let coroutine = Coroutine::<(), (), u64>::new(|yielder, ()| {
        let executions = explore(lost_update).executions();
        yielder.suspend(());
        executions + explore(lost_update).executions()
    });
    assert!(coroutine.resume(()).as_yield().is_some());
    assert_eq!(explore(lost_update).executions(), 6);
    assert_eq!(coroutine.resume(()).as_return(), Some(12));
    // A coroutine in a runtime is inside the runtime.
    let inside = || {
        let explores = |_: &leno::coroutine::Yielder<(), ()>, ()| panic_text(|| explore(|| 1));
        let coroutine = Coroutine::<(), (), String>::new(explores);
        coroutine.resume(()).as_return().unwrap()
    };
    assert!(leno::run(inside).contains("called inside a runtime"));
}

#[test]
fn a_nested_runtime_is_a_failure() {
    let found = failure(&Explorer::new(), || leno::run(|| 1));
    assert_eq!(found.kind(), FailureKind::Panic);
    assert!(found.message().starts_with("leno::run was called inside leno::run"), "{found}");
}

#[test]
fn a_program_may_use_coroutines() {
    let report = explore(|| {
        let coroutine = Coroutine::<(), u32, ()>::new(|yielder, ()| {
            leno::yield_now();
            yielder.suspend(1);
        });
        let other = leno::spawn(|| leno::yield_now());
        let one = coroutine.resume(()).as_yield();
        other.join().unwrap();
        one
    });
    assert_eq!((report.outcomes().len(), report.failure()), (1, None));
}

#[test]
fn a_program_may_block_the_os_thread() {
    let start = Instant::now();
    let report = explore(|| {
        std::thread::sleep(Duration::from_millis(2));
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        (lost_update(), text.is_ok_and(|text| text.contains("leno")))
    });
    assert_eq!((report.executions(), report.outcomes().len()), (6, 2));
    assert!(start.elapsed() >= Duration::from_millis(12));
}

#[test]
fn a_program_may_fail_in_its_only_execution() {
    let report = explore(|| -> u8 { panic!("at once") });
    assert_eq!((report.executions(), report.outcomes().len(), report.is_complete()), (1, 0, true));
    let found = report.failure().unwrap();
    assert_eq!((found.count(), found.schedule().turns(), found.message()), (1, 0, "at once"));
    // The first step of another thread fails.
    let report = explore(|| leno::spawn(|| -> u8 { panic!("then") }).join().is_err());
    assert_eq!((report.executions(), report.failure().unwrap().message()), (1, "then"));
}

#[test]
fn a_single_thread_has_one_execution() {
    assert_eq!(explore(|| ()).to_string(), "1 execution, 1 outcome\n  1 x  ()");
    let one = || leno::spawn(|| (0..5).for_each(|_| leno::yield_now())).join().is_ok();
    assert_eq!(explore(one).executions(), 1);
    assert_eq!(Explorer::new().preemptive().explore(one).executions(), 1);
    assert_eq!(Explorer::new().random(1).max_executions(3).explore(one).executions(), 3);
    assert_eq!(Explorer::new().reduced().explore(one).executions(), 1);
}

#[test]
fn ten_thousand_steps_are_explored() {
    let program = || {
        let count = Cell::new(0);
        spawn_each(0..2, |_| {
            for _ in 0..5_000 {
                count.set(count.get() + 1);
                leno::yield_now();
            }
        });
        count.get()
    };
    for explorer in [
        Explorer::new(),
        Explorer::new().random(1),
        Explorer::new().pct(1, 3),
        Explorer::new().preemptive(),
        Explorer::new().fair(),
    ] {
        let report = explorer.max_executions(3).explore(program);
        assert_eq!((report.executions(), report.failure()), (3, None), "{report}");
        assert!(report.steps() >= 30_000);
        let schedule = report.outcomes()[&10_000].schedule().to_string();
        assert_eq!(replay(&schedule, program), 10_000);
    }
    // The two threads are independent.
    let report = Explorer::new().reduced().explore(program);
    assert_eq!((report.executions(), report.is_complete()), (1, true), "{report}");
    // The bound is lower than the number of steps.
    let found = failure(&Explorer::new().max_steps(9_999).max_executions(1), program);
    assert_eq!(found.kind(), FailureKind::Endless);
    assert!(found.message().starts_with("the execution did not end within 9999 steps"), "{found}");
}

#[test]
fn unbounded_spawning_is_a_failure() {
    let spawns = || {
        loop {
            leno::spawn(|| ());
        }
    };
    let explorer = Explorer::new().max_steps(500);
    for explorer in [explorer.clone(), explorer.clone().random(1), explorer.preemptive()] {
        let found = failure(&explorer, spawns);
        assert_eq!(found.kind(), FailureKind::TooManyThreads);
        let expected = "the program has more green threads at once than the steps that an \
                        execution may have: if it should end, raise max_steps";
        assert_eq!(found.message(), expected);
    }
    // The spawning thread ignores the errors.
    let ignores = || {
        let mut errors = 0;
        while errors < 10 {
            errors += u32::from(leno::thread::Builder::new().spawn(|| ()).is_err());
        }
    };
    let explorer = Explorer::new().max_steps(100);
    assert_eq!(failure(&explorer, ignores).kind(), FailureKind::TooManyThreads);
    // Each thread spawns the next, and ends.
    fn again() {
        leno::spawn(again);
    }
    assert_eq!(failure(&Explorer::new().max_steps(500), again).kind(), FailureKind::Endless);
    // Exactly the number of threads that the bound allows.
    let many = || {
        leno::scope(|scope| (0..100).for_each(|_| drop(scope.spawn(|| ()))));
    };
    assert_eq!(Explorer::new().max_steps(101).max_executions(3).explore(many).failure(), None);
}

fn not_repeatable(program: impl Fn() -> u64) -> String {
    let report = Explorer::new().explore(&program);
    assert!(!report.is_complete());
    let found = report.failures().last().unwrap();
    assert_eq!(found.kind(), FailureKind::NotRepeatable, "{report}");
    let text = found.message().to_owned();
    assert!(text.starts_with("the program does not repeat itself: "), "{text}");
    text
}

#[test]
fn a_program_that_is_not_repeatable_is_detected() {
    const SECOND_TIME: &str = "it returned something else when it was run a second time";
    // Random numbers.
    assert!(not_repeatable(|| RandomState::new().hash_one(1)).contains(SECOND_TIME));
    // The clock of the operating system.
    let clock = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_nanos()).unwrap()
    };
    assert!(not_repeatable(clock).contains(SECOND_TIME));
    // State that is kept: the second run has another number of threads.
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let more =
        || steps(&[2; 10][..2 + RUNS.fetch_add(1, Ordering::Relaxed) as usize % 2]).len() as u64;
    let text = not_repeatable(more);
    // `find` fails too, since an unsuccessful search would prove nothing.
    RUNS.store(0, Ordering::Relaxed);
    assert_eq!(panic_text(|| find(more, |_| false)).lines().next(), Some(&*text));
    assert!(text.contains("at choice 1 of the run, others could run than before"), "{text}");
}

#[test]
fn the_first_difference_of_two_runs_is_reported() {
    thread_local! {
        static RUNS: Cell<u32> = const { Cell::new(0) };
    }
    let program = || {
        RUNS.set(RUNS.get() + 1);
        // From the fifth run on, one more thread runs at the end.
        let order = steps(&[2, 1]) + &steps(&[1; 3][..2 + usize::from(RUNS.get() > 4)]);
        u64::from(order.ends_with('a'))
    };
    let text = not_repeatable(program);
    assert!(text.contains("at choice 3 of the run, others could run than before"), "{text}");
    // Sampling compares only the second run with the first.
    RUNS.set(0);
    let report = Explorer::new().random(1).max_executions(20).explore(program);
    assert_eq!(report.failure(), None);
}

#[test]
fn a_check_reports_a_program_that_is_not_repeatable() {
    thread_local! {
        static RUNS: Cell<usize> = const { Cell::new(0) };
    }
    let program = || {
        RUNS.set(RUNS.get() + 1);
        steps(&[2, 1 + RUNS.get()]);
    };
    let text = panic_text(|| check(program));
    assert!(text.contains("does not repeat itself: at choice "), "{text}");
    let (found, executions) = Explorer::new().first_failure(program).unwrap();
    assert_eq!((found.kind(), executions), (FailureKind::NotRepeatable, 1));
}

#[test]
fn waiting_by_yielding_is_endless_unless_fair() {
    let program = || {
        let is_set = Cell::new(false);
        leno::scope(|scope| {
            scope.spawn(|| {
                while !is_set.get() {
                    leno::yield_now();
                }
            });
            scope.spawn(|| is_set.set(true));
        });
    };
    let found = failure(&Explorer::new().max_steps(50), program);
    assert_eq!(found.kind(), FailureKind::Endless);
    assert!(found.message().contains("A has nearly every turn while others could run"), "{found}");
    let report = Explorer::new().fair().explore(program);
    assert!(report.is_complete() && report.failure().is_none(), "{report}");
    // A single thread yields.
    let found = failure(&Explorer::new().max_steps(50), || -> u8 { yield_forever() });
    assert_eq!(found.kind(), FailureKind::Endless);
    // Only the clock advances.
    let found = failure(&Explorer::new().max_steps(50), || -> u8 {
        loop {
            leno::sleep(Duration::from_secs(1));
        }
    });
    assert_eq!(found.kind(), FailureKind::Endless);
}

#[test]
fn a_preempted_thread_that_yields_is_fair() {
    let program = || {
        let is_set = Shared::new(false);
        leno::scope(|scope| {
            scope.spawn(|| {
                while !is_set.get() {
                    leno::yield_now();
                }
            });
            scope.spawn(|| {
                let _before = is_set.get();
                is_set.set(true);
            });
        });
    };
    for explorer in [Explorer::new(), Explorer::new().timed()] {
        let report = explorer.preemptive().max_steps(100).explore(program);
        assert!(report.is_complete() && report.failure().is_none(), "{report}");
    }
}

#[test]
fn an_os_thread_with_a_small_stack_may_explore() {
    let explore_all = || {
        let deadlock = explore(|| leno::thread::park());
        (explore(|| steps(&[3, 3])).executions(), deadlock.failure().is_some())
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(explore_all);
    assert_eq!(thread.unwrap().join().unwrap(), (20, true));
}

#[test]
fn stacks_may_have_ten_thousand_frames() {
    fn deep(depth: u32) -> u32 {
        let below = std::hint::black_box(depth);
        if below == 0 {
            leno::yield_now();
            return 0;
        }
        deep(below - 1) + 1
    }
    let program = || {
        leno::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| deep(10_000)));
            leno::sleep(Duration::from_secs(1));
            threads.map(|thread| thread.join().unwrap())
        })
    };
    let report = Explorer::new().stack_size(64 << 20).explore(program);
    assert_eq!((report.executions(), report.outcomes().len()), (6, 1));
    assert_eq!(report.outcomes().keys().next(), Some(&[10_000, 10_000]));
}
