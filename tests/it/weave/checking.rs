//! Explorations in tests, and the environment variables that change them.

use std::panic::{self, Location};
use std::sync::atomic::{AtomicU64, Ordering};

use leno::weave::{Explorer, Shared, check, replay};

use super::{losing_fails, lost_update, steps};
use crate::support::{Ended, child, in_child, panic_text, spawn_each};

/// Returns the text of the check that fails in a child with these variables.
#[track_caller]
fn failing(test: &str, variables: &[(&str, &str)], program: impl Fn()) -> String {
    let ended = in_child(test, variables, || eprintln!("<<{}>>", panic_text(|| check(program))));
    ended.assert_survived();
    let stderr = ended.stderr();
    let (_, text) = stderr.split_once("<<").expect(&stderr);
    text.split_once(">>").expect(&stderr).0.to_owned()
}

/// Checks a program that does not fail in a child that prints the number of its runs.
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
    assert_eq!(ended.stderr(), format!("{expected}\nthe child has reached its end\n"));
}

#[test]
fn a_check_that_does_not_fail_prints_nothing() {
    check(|| steps(&[3, 3]));
    check(lost_update);
    // The first execution is run twice.
    let test = "weave::checking::a_check_that_does_not_fail_prints_nothing";
    says(&passing(test, &[], &Explorer::new()), "21 runs");
}

#[test]
fn the_panic_has_the_place_of_the_caller() {
    let ended = child(|| {
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
    assert_eq!(ended.stderr(), expected + "the child has reached its end\n");
}

#[test]
fn a_failure_has_its_story_and_its_replay() {
    let test = "weave::checking::a_failure_has_its_story_and_its_replay";
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
fn a_failure_has_a_page_in_the_folder() {
    let test = "weave::checking::a_failure_has_a_page_in_the_folder";
    let folder = std::env::temp_dir().join(format!("leno-pages-{}", std::process::id()));
    let variable = folder.to_str().expect("a path in UTF-8");
    let text = failing(test, &[("LENO_WEAVE_HTML", variable)], losing_fails);
    let name = test.replace(':', "_");
    let path = folder.join(format!("{name}.html"));
    assert!(text.ends_with(&format!("page to explore: {}", path.display())), "{text}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the page");
    let verdict = "executions fail: assertion `left == right` failed: an update was lost";
    for file in [format!("{name}.html"), format!("{name}.txt"), "index.html".to_owned()] {
        assert!(read(&file).contains(verdict), "{file}");
    }
    assert!(read(&format!("{name}.json")).starts_with("{\"format\":1,"));
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}

#[test]
fn the_environment_gives_the_schedule() {
    let test = "weave::checking::the_environment_gives_the_schedule";
    // The given schedule is not shortened.
    let replayed = "leno::weave::replay(\"B1 A1 B1\", program)";
    let misfit = "LENO_WEAVE_REPLAY is A1 Q1: the schedule does not fit the program: at choice 2 \
                  of the run, it gives the turn to Q, but the green threads that can run are: B, A";
    for (schedule, start, part) in [
        ("B1 A1 B1", "execution 1 fails\n", replayed),
        ("A1 Q1", misfit, ""),
        ("A1 1", "LENO_WEAVE_REPLAY is no schedule: `1`, at character 4 of", ""),
    ] {
        let text = failing(test, &[("LENO_WEAVE_REPLAY", schedule)], losing_fails);
        assert!(text.starts_with(start) && text.contains(part), "{text}");
    }
}

#[test]
fn the_environment_changes_the_exploration() {
    let test = "weave::checking::the_environment_changes_the_exploration";
    let no_failure = "leno::weave: the execution of LENO_WEAVE_REPLAY does not fail\n1 runs";
    let (seed, executions) = ("LENO_WEAVE_SEED", "LENO_WEAVE_EXECUTIONS");
    for (variables, expected) in [
        (&[("LENO_WEAVE_REPLAY", "A2")][..], no_failure),
        (&[(executions, "7")], "8 runs"),
        (&[(seed, "7"), (executions, "300")], "301 runs"),
    ] {
        says(&passing(test, variables, &Explorer::new()), expected);
    }
}

#[test]
fn the_environment_raises_the_number_of_executions() {
    let test = "weave::checking::the_environment_raises_the_number_of_executions";
    let explorer = Explorer::new().max_executions(3);
    says(&passing(test, &[("LENO_WEAVE_EXECUTIONS", "1000")], &explorer), "21 runs");
}

#[test]
fn a_malformed_number_is_reported() {
    let test = "weave::checking::a_malformed_number_is_reported";
    let text = failing(test, &[("LENO_WEAVE_EXECUTIONS", "many")], losing_fails);
    let expected = "LENO_WEAVE_EXECUTIONS is \"many\"; it must be a number, as in \
                    LENO_WEAVE_EXECUTIONS=1000";
    assert_eq!(text, expected);
}

#[test]
fn a_seed_alone_samples_ten_thousand_executions() {
    let test = "weave::checking::a_seed_alone_samples_ten_thousand_executions";
    let explorer = Explorer::new().random(1);
    says(&passing(test, &[("LENO_WEAVE_SEED", "7")], &explorer), "10001 runs");
}

#[test]
fn an_incomplete_check_samples_and_says_so() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let ended = child(|| {
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
fn sampling_finds_what_depth_first_search_misses() {
    // In depth-first order, the last thread comes first only in the last executions.
    let program = || assert!(!steps(&[1; 9]).starts_with('i'), "the last comes first");
    let text = panic_text(|| check(program));
    assert!(text.starts_with("execution 100,0") && text.contains("the last comes first"), "{text}");
    assert!(text.contains("leno::weave::replay(\"I1 "), "{text}");
}

#[test]
fn every_explorer_can_check() {
    let program = || {
        let total = Shared::new(0);
        spawn_each(0..2, |_| total.set(total.get() + 1));
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
fn the_first_failure_is_not_shortened() {
    let (failure, executions) = Explorer::new().first_failure(losing_fails).unwrap();
    assert_eq!((failure.schedule().to_string(), executions), ("A1 B1 A1".to_owned(), 1));
    assert!(Explorer::new().first_failure(lost_update).is_none());
}
