//! Explorations in tests, and what the environment says of them.

use std::panic::{self, Location};
use std::sync::atomic::{AtomicU64, Ordering};

use leno::weave::{Explorer, Shared, check, replay};

use super::{losing_fails, lost_update, steps};
use crate::support::{Ended, in_child, panic_text};

/// The text of the check that fails in a child, with these variables.
#[track_caller]
fn failing(test: &str, variables: &[(&str, &str)], program: impl Fn()) -> String {
    let ended = in_child(test, variables, || eprintln!("<<{}>>", panic_text(|| check(program))));
    ended.assert_survived();
    let stderr = ended.stderr();
    let (_, text) = stderr.split_once("<<").expect(&stderr);
    text.split_once(">>").expect(&stderr).0.to_owned()
}

/// A child that checks a program that does not fail, and says how often it was run.
fn passing(test: &str, variables: &[(&str, &str)], explorer: &Explorer) -> Ended {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let ended = in_child(test, variables, || {
        explorer.check(|| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            steps(&[3, 3])
        });
        eprintln!("{} runs", RUNS.load(Ordering::Relaxed));
    });
    ended.assert_survived();
    ended
}

#[track_caller]
fn says(ended: &Ended, expected: &str) {
    assert_eq!(ended.stderr(), format!("{expected}\nthe child has come to its end\n"));
}

#[test]
fn a_check_that_does_not_fail_returns_and_says_nothing() {
    check(|| steps(&[3, 3]));
    check(lost_update);
    let test = "weave::checking::a_check_that_does_not_fail_returns_and_says_nothing";
    // The first one is run twice.
    says(&passing(test, &[], &Explorer::new()), "21 runs");
}

#[test]
fn the_panic_is_the_callers() {
    let test = "weave::checking::the_panic_is_the_callers";
    let ended = in_child(test, &[], || {
        let at = |location: Option<&Location<'_>>| {
            let location = location.expect("panics have a place");
            eprintln!("at {}:{}", location.file(), location.line());
        };
        panic::set_hook(Box::new(move |info| at(info.location())));
        for call in [|| check(losing_fails), || Explorer::new().check(losing_fails)] {
            assert!(panic::catch_unwind(call).is_err());
        }
        assert!(panic::catch_unwind(|| replay("A1 B1 A1", losing_fails)).is_err());
        assert!(panic::catch_unwind(|| replay("A1 B1 X1", lost_update)).is_err());
        assert!(panic::catch_unwind(|| replay("1", lost_update)).is_err());
    });
    ended.assert_survived();
    let line = |words: &str| {
        let lines = include_str!("checking.rs").lines();
        1 + lines.enumerate().find(|(_, line)| line.contains(words)).unwrap().0
    };
    let places = [
        "|| check(losing_fails), ||",
        "|| check(losing_fails), ||",
        "replay(\"A1 B1 A1\", losing_fails)",
        "replay(\"A1 B1 X1\", lost_update)",
        "replay(\"1\", lost_update)",
    ];
    let expected: String =
        places.map(|words| format!("at tests/it/weave/checking.rs:{}\n", line(words))).concat();
    assert_eq!(ended.stderr(), expected + "the child has come to its end\n");
}

#[test]
fn the_text_has_the_story_and_the_lines_that_replay_it() {
    let test = "weave::checking::the_text_has_the_story_and_the_lines_that_replay_it";
    let text = failing(test, &[], losing_fails);
    assert!(text.starts_with("execution 1 fails\n\n"), "{text}");
    assert!(text.contains("an update was lost") && text.contains("tests/it/weave.rs:"), "{text}");
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    let [or, again] = lines[..] else { panic!("{text}") };
    assert_eq!(again, "to run it again: leno::weave::replay(\"A1 B2\", program)", "{text}");
    let expected = format!("              or: LENO_WEAVE_REPLAY=\"A1 B2\" cargo test {test}");
    assert_eq!(or, expected, "{text}");
}

#[test]
fn a_schedule_of_the_environment_is_replayed() {
    let test = "weave::checking::a_schedule_of_the_environment_is_replayed";
    let text = failing(test, &[("LENO_WEAVE_REPLAY", "B1 A1 B1")], losing_fails);
    assert!(text.starts_with("execution 1 fails\n"), "{text}");
    // As it was given, and not made short.
    assert!(text.contains("leno::weave::replay(\"B1 A1 B1\", program)"), "{text}");
}

#[test]
fn one_that_does_not_fail_is_told() {
    let test = "weave::checking::one_that_does_not_fail_is_told";
    let ended = passing(test, &[("LENO_WEAVE_REPLAY", "A2")], &Explorer::new());
    says(&ended, "leno::weave: the execution of LENO_WEAVE_REPLAY does not fail\n1 runs");
}

#[test]
fn one_that_does_not_fit_is_told() {
    let test = "weave::checking::one_that_does_not_fit_is_told";
    let text = failing(test, &[("LENO_WEAVE_REPLAY", "A1 Q1")], || {
        lost_update();
    });
    assert!(
        text.starts_with(
            "LENO_WEAVE_REPLAY is A1 Q1: the schedule does not fit the program: at choice 2 of the \
             run, it gives the turn to Q, but those who can run are: B, A"
        ),
        "{text}"
    );
}

#[test]
fn one_that_is_none_is_told() {
    let test = "weave::checking::one_that_is_none_is_told";
    let text = failing(test, &[("LENO_WEAVE_REPLAY", "A1 1")], losing_fails);
    assert!(text.starts_with("LENO_WEAVE_REPLAY is no schedule: `1`, at character 4 of"), "{text}");
}

#[test]
fn as_many_executions_as_the_environment_says() {
    let test = "weave::checking::as_many_executions_as_the_environment_says";
    says(&passing(test, &[("LENO_WEAVE_EXECUTIONS", "7")], &Explorer::new()), "8 runs");
}

#[test]
fn more_executions_than_there_are() {
    let test = "weave::checking::more_executions_than_there_are";
    let explorer = Explorer::new().max_executions(3);
    says(&passing(test, &[("LENO_WEAVE_EXECUTIONS", "1000")], &explorer), "21 runs");
}

#[test]
fn a_number_that_is_none_is_told() {
    let test = "weave::checking::a_number_that_is_none_is_told";
    let text = failing(test, &[("LENO_WEAVE_EXECUTIONS", "many")], losing_fails);
    let expected = "LENO_WEAVE_EXECUTIONS is \"many\"; it must be a number, as in \
                    LENO_WEAVE_EXECUTIONS=1000";
    assert_eq!(text, expected);
}

#[test]
fn a_seed_of_the_environment_draws_by_chance() {
    let test = "weave::checking::a_seed_of_the_environment_draws_by_chance";
    let variables = [("LENO_WEAVE_SEED", "7"), ("LENO_WEAVE_EXECUTIONS", "300")];
    says(&passing(test, &variables, &Explorer::new()), "301 runs");
}

#[test]
fn a_seed_alone_draws_ten_thousand() {
    let test = "weave::checking::a_seed_alone_draws_ten_thousand";
    let explorer = Explorer::new().random(1);
    says(&passing(test, &[("LENO_WEAVE_SEED", "7")], &explorer), "10001 runs");
}

#[test]
fn if_there_are_too_many_some_are_drawn_and_that_is_told() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let test = "weave::checking::if_there_are_too_many_some_are_drawn_and_that_is_told";
    let ended = in_child(test, &[], || {
        check(|| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            steps(&[1; 9])
        });
        eprintln!("{} runs", RUNS.load(Ordering::Relaxed));
    });
    ended.assert_survived();
    says(
        &ended,
        "leno::weave: 100,000 executions and 10,000 drawn by chance have not failed; there are \
         more. LENO_WEAVE_EXECUTIONS says how many to try\n110002 runs",
    );
}

#[test]
fn what_only_chance_finds_is_found() {
    // Depth first, the last of them to begin is the last that comes first.
    let program = || assert!(!steps(&[1; 9]).starts_with('i'), "the last comes first");
    let text = panic_text(|| check(program));
    assert!(text.starts_with("execution 100,0") && text.contains("the last comes first"), "{text}");
    assert!(text.contains("leno::weave::replay(\"I1 "), "{text}");
}

#[test]
fn explorers_check_as_they_explore() {
    let program = || {
        let total = Shared::new(0);
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| total.set(total.get() + 1));
            }
        });
        assert_eq!(total.get(), 2);
    };
    check(program);
    for explorer in [
        Explorer::new().preemptive(),
        Explorer::new().preemptive().reduced(),
        Explorer::new().preemptive().random(1),
        Explorer::new().preemptive().max_switches(1),
        Explorer::new().preemptive().pct(1, 2).max_executions(100),
    ] {
        let text = panic_text(|| explorer.check(program));
        let schedules = ["A1 B2", "B1 A2"].map(|turns| format!("replay(\"preemptive: {turns}\", "));
        assert!(schedules.iter().any(|schedule| text.contains(schedule)), "{text}");
    }
}

#[test]
fn the_first_failure_is_given_as_it_was_found() {
    let (failure, executions) = Explorer::new().first_failure(losing_fails).unwrap();
    assert_eq!((failure.schedule().to_string(), executions), ("A1 B1 A1".to_owned(), 1));
    assert!(Explorer::new().first_failure(lost_update).is_none());
}
