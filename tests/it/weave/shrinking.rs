//! The schedule of a failed check has the smallest number of preemptions that lead to
//! its failure.

use std::collections::BTreeSet;

use leno::weave::{Explorer, FailureKind, Shared, check, explore, replay};

use super::{kinds, steps, values};
use crate::support::{caught, panic_text, spawn_each, text_of};

/// Returns the number of switches away from a thread that has further steps.
fn switches(order: &str) -> usize {
    let letters: Vec<char> = order.chars().collect();
    let has_more = |place: usize| letters[place + 1..].contains(&letters[place]);
    (1..letters.len())
        .filter(|&place| letters[place] != letters[place - 1] && has_more(place - 1))
        .count()
}

/// Returns the schedule in the text of a failed check.
fn schedule_of(text: &str) -> String {
    let (_, rest) = text.split_once("leno::weave::replay(\"").expect(text);
    rest.split_once("\", program)").expect(text).0.to_owned()
}

/// Runs a check that fails for the orders in `bad`. Returns the order of its
/// shortened schedule.
fn shrunk(explorer: &Explorer, counts: &[usize], bad: &BTreeSet<String>) -> String {
    let program = || assert!(!bad.contains(&steps(counts)), "a bad order");
    let text = panic_text(|| explorer.check(program));
    let schedule = schedule_of(&text);
    let result = caught(|| replay(&schedule, program));
    let again = text_of(result.expect_err("the replay does not fail"));
    assert!(again.contains("a bad order"), "{again}");
    replay(&schedule, || steps(counts))
}

#[test]
fn shrinking_finds_the_fewest_switches() {
    let mut random = 7u64;
    let mut hash = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        random >> 33
    };
    let programs: [&[usize]; 5] = [&[2, 2], &[3, 3], &[4, 3], &[2, 2, 2], &[3, 2, 2]];
    for counts in programs {
        let all = values(&explore(|| steps(counts)));
        for one_in in [2, 5, 20] {
            let bad: BTreeSet<String> =
                all.iter().filter(|_| hash() % one_in == 0).cloned().collect();
            let Some(fewest) = bad.iter().map(|order| switches(order)).min() else { continue };
            for explorer in [Explorer::new(), Explorer::new().random(hash()).max_executions(2_000)]
            {
                let order = shrunk(&explorer, counts, &bad);
                assert!(bad.contains(&order), "{order}");
                assert_eq!(switches(&order), fewest, "{counts:?}: {order} of {bad:?}");
            }
        }
    }
}

#[test]
fn shrinking_keeps_the_first_failure() {
    // Both failures are possible; the first execution that fails has `this one`.
    let program = || {
        let order = steps(&[3, 3]);
        assert!(order != "ababab", "this one");
        assert!(!order.starts_with("aa"), "not this one");
    };
    let text = panic_text(|| check(program));
    assert!(text.contains("this one") && !text.contains("not this one"), "{text}");
    assert_eq!(schedule_of(&text), "A1 B1 A1 B1 A1");
}

#[test]
fn a_deadlock_is_shortened() {
    let program = || {
        let locks = [(); 2].map(|()| leno::sync::Mutex::new(()));
        leno::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| leno::yield_now()));
            for (one, other) in [(0, 1), (1, 0)] {
                let locks = &locks;
                scope.spawn(move || {
                    for _ in 0..2 {
                        leno::yield_now();
                        let _one = locks[one].lock().unwrap();
                        leno::yield_now();
                        let _other = locks[other].lock().unwrap();
                    }
                });
            }
        });
    };
    let text = panic_text(|| Explorer::new().random(3).check(program));
    let schedule = schedule_of(&text);
    // The first thread runs by itself. The two others then take one lock each, which
    // needs one preemption.
    let again = panic_text(|| replay(&schedule, program));
    assert!(again.starts_with("deadlock"), "{again}");
    let fewest = (0..).find(|&most| {
        let report = Explorer::new().max_switches(most).explore(program);
        kinds(&report).contains(&FailureKind::Deadlock)
    });
    assert_eq!(fewest, Some(1));
    let turns = schedule.split(' ').count();
    assert!(turns <= 3, "{schedule}");
}

#[test]
fn a_preemptive_failure_is_shortened() {
    let program = || {
        let shared = Shared::new(0);
        spawn_each(0..3, |_| (0..3).for_each(|_| shared.set(shared.get() + 1)));
        assert_eq!(shared.get(), 9);
    };
    let text = panic_text(|| Explorer::new().preemptive().random(1).check(program));
    let schedule = schedule_of(&text);
    // One thread is preempted between a read and a write, while another runs to its
    // end.
    let fewest = Explorer::new().preemptive().max_switches(0).explore(program);
    assert_eq!(fewest.failure(), None);
    let fewest = Explorer::new().preemptive().max_switches(1).explore(program);
    assert!(fewest.failure().is_some());
    assert!(schedule.starts_with("preemptive: "), "{schedule}");
    assert_eq!(schedule.split(' ').count(), 4, "{schedule}");
    assert!(panic_text(|| replay(&schedule, program)).contains("assertion"));
}
