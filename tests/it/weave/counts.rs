//! Programs with a known number of executions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::thread;
use leno::weave::{Explorer, FailureKind, Shared, explore, find, replay};

use super::{counts, explored, losing_fails, lost_update, lost_update_of_shared, steps};
use crate::support::{caught, hook_runs, panic_text, spawn_each};

#[test]
fn independent_steps_are_interleaved_completely() {
    let cases: [(&[usize], u64); 8] = [
        (&[], 1),
        (&[3], 1),
        (&[1, 1], 2),
        (&[3, 3], 20),
        (&[2, 2, 2], 90),
        (&[3, 3, 3], 1_680),
        (&[1, 1, 1, 1], 24),
        (&[5, 2], 21),
    ];
    for (counts, expected) in cases {
        let report = explored(&Explorer::new(), || steps(counts));
        assert_eq!(report.executions(), expected, "{counts:?}");
        assert_eq!(report.outcomes().len() as u64, expected, "{counts:?}");
        assert_eq!((report.redundant(), report.failure()), (0, None));
    }
}

#[test]
fn a_step_is_counted_for_each_turn() {
    // The main thread's first turn, six steps, and the main thread's end.
    assert_eq!(explore(|| steps(&[3, 3])).steps(), 20 * 7);
    // A single thread makes no choice.
    assert_eq!(explore(|| 1).steps(), 0);
}

#[test]
fn four_of_six_executions_lose_an_update() {
    for explorer in [Explorer::new(), Explorer::default()] {
        let report = explored(&explorer, lost_update);
        assert_eq!(counts(&report), (6, vec![(1, 4), (2, 2)]));
    }
    let report = explored(&Explorer::new().preemptive(), lost_update_of_shared);
    assert_eq!(counts(&report), (6, vec![(1, 4), (2, 2)]));
    // Without preemption, a green thread runs until it yields.
    let report = explored(&Explorer::new(), lost_update_of_shared);
    assert_eq!(counts(&report), (2, vec![(2, 2)]));
}

#[test]
fn operations_without_a_switch_are_no_choice() {
    let report = explored(&Explorer::new(), || {
        let lock = leno::sync::Mutex::new(0);
        let (sender, receiver) = leno::channel::unbounded();
        for number in 0..5 {
            *lock.lock().unwrap() += 1;
            sender.send(number).unwrap();
            leno::yield_now();
            receiver.recv().unwrap();
        }
        let spawned = leno::spawn(|| 7);
        // No other thread can run.
        let seven = spawned.join().unwrap();
        leno::scope(|scope| assert_eq!(scope.spawn(|| 8).join().unwrap(), 8));
        let text = leno::block_on(async { "ready" });
        leno::sleep(std::time::Duration::from_secs(1));
        (*lock.lock().unwrap(), seven, text)
    });
    assert_eq!(counts(&report), (1, vec![((5, 7, "ready"), 1)]));
    let schedule = report.outcomes().values().next().unwrap().schedule();
    assert_eq!(
        (schedule.to_string(), schedule.turns(), schedule.switches()),
        (String::new(), 0, 0)
    );
}

#[test]
fn a_yield_after_the_last_step_counts() {
    let report = explored(&Explorer::new(), || {
        let out = RefCell::new(String::new());
        spawn_each(['a', 'b'], |name| {
            for _ in 0..3 {
                out.borrow_mut().push(name);
                leno::yield_now();
            }
        });
        out.into_inner()
    });
    assert_eq!((report.executions(), report.outcomes().len()), (70, 20));
}

#[test]
fn find_returns_an_execution_if_there_is_one() {
    let program = || steps(&[3, 3]);
    for (value, outcome) in explore(program).outcomes() {
        let found = find(program, |other| other == value).unwrap();
        assert_eq!(&found, outcome.schedule());
        assert_eq!(&replay(&found, program), value);
    }
    assert_eq!(find(program, |text| text == "aabbb"), None);
    // A failed execution has no outcome; the search continues with the others.
    assert_eq!(find(losing_fails, |()| true).unwrap().to_string(), "A2");
    assert_eq!(find(losing_fails, |()| false), None);
}

#[test]
fn the_predicate_of_find_may_panic() {
    let runs = hook_runs(|| assert!(caught(|| find(|| 1, |_| panic!("no idea"))).is_err()));
    assert_eq!(runs, 1, "the panic of the predicate is hidden");
    assert_eq!(explore(|| 1).executions(), 1);
}

#[test]
fn failures_are_grouped_by_message() {
    let report = explored(&Explorer::new(), losing_fails);
    assert_eq!((report.executions(), report.outcomes()[&()].count()), (6, 2));
    let failure = report.failure().unwrap();
    assert_eq!((failure.kind(), failure.count()), (FailureKind::Panic, 4));
    assert!(failure.message().starts_with("assertion `left == right` failed: an update was lost"));
    assert_eq!(report.failures().len(), 1);
    let text = failure.to_string();
    assert!(text.starts_with("main: panic at tests/it/weave.rs:"), "{text}");
    assert!(text.ends_with("\nschedule: A1 B1 A1"), "{text}");
}

#[test]
fn the_first_error_is_the_failure() {
    // The main thread panics, and the other thread waits forever.
    let report = explore(|| {
        leno::spawn(thread::park);
        panic!("first");
    });
    let failure = report.failure().unwrap();
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "first"));

    // The scope panics because its thread has panicked.
    let report = explore(|| {
        leno::scope(|scope| {
            scope.spawn(|| panic!("in the scope"));
        });
    });
    assert_eq!(report.failure().unwrap().message(), "in the scope");

    // A join that returns the panic does not hide it.
    let report = explore(|| leno::spawn(|| panic!("joined")).join().is_err());
    let failure = report.failure().unwrap();
    assert_eq!((failure.message(), failure.count()), ("joined", 1));
    assert!(failure.to_string().starts_with("A: panic at tests/it/weave/counts.rs:"));
}

#[test]
fn a_caught_panic_is_no_failure() {
    let report = explore(|| {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| panic!("caught")));
        let own = leno::spawn(|| panic::catch_unwind(|| panic!("also")).is_err());
        (caught.is_err(), own.join().unwrap())
    });
    assert_eq!(counts(&report), (1, vec![((true, true), 1)]));
    assert_eq!(report.failure(), None);
}

#[test]
fn a_resumed_panic_has_the_text_of_its_payload() {
    let resumed = |payload: fn() -> Box<dyn std::any::Any + Send>| {
        let report = explore(move || {
            let _ = panic::catch_unwind(|| panic!("another"));
            panic::resume_unwind(payload());
        });
        let failure = report.failure().unwrap().clone();
        (failure.message().to_owned(), failure.to_string())
    };
    for _ in 0..2 {
        let (message, text) = resumed(|| Box::new("a word"));
        assert_eq!((&*message, &*text), ("a word", "main: panic: a word\nschedule: "));
        assert_eq!(resumed(|| Box::new(String::from("a text"))).0, "a text");
        assert_eq!(resumed(|| Box::new(7)).0, "a panic without a text");
    }
}

#[test]
fn a_deadlock_has_a_report() {
    let program = || {
        let forks = [(); 2].map(|()| leno::sync::Mutex::new(()));
        spawn_each([(0, 1), (1, 0)], |(left, right)| {
            let _one = forks[left].lock().unwrap();
            leno::yield_now();
            let _other = forks[right].lock().unwrap();
        });
    };
    let report = explored(&Explorer::new(), program);
    let failure = report.failure().unwrap();
    assert_eq!(failure.kind(), FailureKind::Deadlock);
    assert!(failure.message().starts_with("deadlock: every green thread waits"));
    let cycle = "cycle: A -> a mutex held by B -> a mutex held by A";
    assert!(failure.message().contains(cycle), "{failure}");
    // An execution succeeds if a thread takes both locks before the other begins.
    assert_eq!((report.executions(), failure.count()), (6, 4), "{report}");
    assert_eq!(failure.schedule().to_string(), "A1 B1 A1");
}

#[test]
fn a_program_may_borrow_and_return_any_value() {
    let word = String::from("abc");
    let report = explore(|| (&word[..], leno::spawn(|| vec![1]).join().unwrap()));
    assert_eq!(report.outcomes().keys().next().unwrap(), &("abc", vec![1]));
}

#[test]
fn a_report_is_a_table() {
    let report = explore(lost_update);
    assert_eq!(report.to_string(), "6 executions, 2 outcomes\n  4 x  1  A1 B1 A1\n  2 x  2  A2");
    let report = explore(losing_fails);
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "6 executions, 1 outcome");
    assert!(lines[1].starts_with("  2 x  ()  ") && lines[1].ends_with("  A2"), "{text}");
    assert!(lines[2].starts_with("  4 x  panic at tests/it/weave.rs:"), "{text}");
    assert!(lines[2].ends_with("  A1 B1 A1"), "{text}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn names_of_green_threads_are_in_the_schedule() {
    let report = explored(&Explorer::new(), || {
        let order = Rc::new(RefCell::new(Vec::new()));
        let spawn = |name: &str| {
            let order = order.clone();
            let builder = thread::Builder::new().name(name.to_owned());
            builder.spawn(move || order.borrow_mut().push(thread::current().id().number())).unwrap()
        };
        let threads = ["reader", "worker 1", "reader", "it's"].map(spawn);
        drop(threads);
        leno::sleep(std::time::Duration::from_secs(1));
        order.take()
    });
    assert_eq!(report.executions(), 24);
    let schedules: BTreeSet<String> =
        report.outcomes().values().map(|one| one.schedule().to_string()).collect();
    assert!(schedules.contains("#2*1 'worker 1'1 #4*1"), "{schedules:?}");
    assert!(schedules.contains("'it\\'s'1 #4*1 'worker 1'1"), "{schedules:?}");
}

#[test]
fn shared_data_is_plain_data_outside_an_exploration() {
    let shared = Shared::new(3);
    assert_eq!((shared.get(), shared.replace(4), shared.take()), (3, 3, 4));
    shared.set(1);
    shared.update(|value| *value += 1);
    assert_eq!(shared.with(|value| *value), 2);
    assert_eq!((shared.compare_exchange(2, 5), shared.compare_exchange(2, 6)), (Ok(2), Err(5)));
    assert_eq!(format!("{shared:?}"), "Shared(5)");
    assert_eq!(shared.update(|_| format!("{shared:?}")), "Shared(<in use>)");
    leno::run(|| assert_eq!(Shared::<u8>::default().into_inner(), 0));
    let text = panic_text(|| {
        let shared = Shared::new(Cell::new(1));
        shared.update(|_| shared.with(Cell::get));
    });
    assert!(text.contains("already mutably borrowed"), "{text}");
}
