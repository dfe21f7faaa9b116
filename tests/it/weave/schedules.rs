//! Schedules as text, which parses back or is refused with a reason.

use std::cell::RefCell;
use std::rc::Rc;

use leno::thread;
use leno::weave::{Explorer, FailureKind, Schedule, check, explore, replay};
use proptest::prelude::*;

use super::{losing_fails, lost_update_of_shared, steps};
use crate::support::panic_text;

fn parsed(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn each_schedule_is_written_in_one_way() {
    for (text, written) in [
        ("", ""),
        ("  \n ", ""),
        ("A", "A1"),
        ("A A1 A2", "A4"),
        ("A1 B2\n\tA1", "A1 B2 A1"),
        ("#7 #7*2 A", "#7*3 A1"),
        ("'worker 1'3 'worker 1'", "'worker 1'4"),
        ("'plain'2", "plain2"),
        (r"'it\'s' '\\'2 'a\nb'", r"'it\'s'1 '\\'2 'a\nb'1"),
        ("''2", "''2"),
        ("?0 ?0 ?12", "?0 ?0 ?12"),
        ("~ ~2", "~3"),
        ("timed: preemptive: A", "preemptive: timed: A1"),
        ("fair:A2", "fair: A2"),
        ("preemptive: fair: A", "preemptive: A1"),
        ("Käthe2 _x-y1", "Käthe2 _x-y1"),
        ("A0001", "A1"),
    ] {
        let schedule = parsed(text);
        assert_eq!(schedule.to_string(), written, "{text:?}");
        assert_eq!(parsed(written).to_string(), written);
    }
}

#[test]
fn turns_and_switches_are_counted() {
    let schedule = parsed("A2 ?1 B1 ~1 A3");
    assert_eq!((schedule.turns(), schedule.switches()), (8, 3));
    assert_eq!(Schedule::default().turns(), 0);
    assert_eq!(Schedule::default().switches(), 0);
}

#[test]
fn a_malformed_schedule_is_refused_at_its_word() {
    const HELP: &str = "; a schedule is a run of names, each with the number of its turns, as in \
                        \"A2 B1 'worker 1'3\"";
    for (text, complaint) in [
        ("A0", "`A0`, at character 1 of the schedule, gives no turn"),
        ("A1 2", "`2`, at character 4 of the schedule, has no name"),
        ("é1 A1x", "`A1x`, at character 4 of the schedule, goes on after its number"),
        ("A1,B2", "`A1,B2`, at character 1 of the schedule, goes on after its number"),
        ("A99999999999", "`A99999999999`, at character 1 of the schedule, has too large a number"),
        (
            "A1 A4000000000",
            "`A4000000000`, at character 4 of the schedule, gives more turns than a schedule can \
             have",
        ),
        ("'worker 1", "`'worker`, at character 1 of the schedule, has no closing quote"),
        ("?", "`?`, at character 1 of the schedule, has no number of an alternative"),
        ("#0", "`#0`, at character 1 of the schedule, has no number of a green thread"),
        ("#x", "`#x`, at character 1 of the schedule, has no number of a green thread"),
        ("A1 !", "`!`, at character 4 of the schedule, has no name"),
        ("sometimes: A1", "`sometimes:`, at character 1 of the schedule, goes on after its number"),
    ] {
        let error = text.parse::<Schedule>().unwrap_err();
        assert_eq!(error.to_string(), format!("{complaint}{HELP}"), "{text:?}");
        // A replay panics with the same text.
        assert_eq!(panic_text(|| replay(text, || ())), error.to_string());
    }
}

#[test]
fn a_misfit_has_its_place_and_the_alternatives() {
    let program = || steps(&[3, 3]);
    for (schedule, complaint) in [
        (
            "A1 C1",
            "at choice 2 of the run, it gives the turn to C, but those who can run are: B, A",
        ),
        (
            "#9 A1",
            "at choice 1 of the run, it gives the turn to #9, but those who can run are: A, B",
        ),
        (
            "A1 ?1",
            "at choice 2 of the run, it takes an alternative, but here one of these runs: B, A",
        ),
        ("~", "at choice 1 of the run, it gives the turn to ~, but those who can run are: A, B"),
        // The first three turns of B leave a choice only to A.
        ("B3 A2 B1", "the run has 3 choices and is over then, but the schedule goes on: A2 B1"),
    ] {
        let expected = format!("the schedule does not fit the program: {complaint}");
        assert_eq!(panic_text(|| replay(schedule, program)), expected);
    }
    let text = panic_text(|| replay("A", || 1));
    let expected = "the schedule does not fit the program: the run has 0 choices and is over \
                    then, but the schedule goes on: A1";
    assert_eq!(text, expected);
    // After the end of a schedule, threads run in the order of the run queue.
    assert_eq!(replay("B1", program), "bababa");
    assert_eq!(replay("", program), "ababab");
}

#[test]
fn a_failure_hides_the_rest_of_a_schedule() {
    let text = panic_text(|| replay("A1 B1 A1 A7", losing_fails));
    assert!(text.contains("an update was lost"), "{text}");
    assert!(text.ends_with("\nschedule: A1 B1 A1"), "{text}");
}

#[test]
fn a_schedule_contains_its_kind_of_exploration() {
    let lost = Explorer::new().preemptive().find(lost_update_of_shared, |&total| total == 1);
    let text = lost.unwrap().to_string();
    assert_eq!(text, "preemptive: A1 B1 A1");
    assert_eq!(replay(&text, lost_update_of_shared), 1);
    // Without the word `preemptive`, the program has other choices.
    let text = panic_text(|| replay("A1 B1 A1", lost_update_of_shared));
    assert!(
        text.contains("has 1 choices and is over then, but the schedule goes on: B1 A1"),
        "{text}"
    );
    // The schedule, and not the explorer, decides how a replay runs.
    for explorer in
        [Explorer::new().fair(), Explorer::new().max_switches(0), Explorer::new().reduced()]
    {
        assert_eq!(explorer.replay("A1 B2 A2", || steps(&[3, 3])), "abbaab");
    }
}

#[test]
fn a_misfit_is_a_failure_of_the_story() {
    let story = leno::weave::story("A1 C1", || steps(&[2, 2]));
    assert_eq!(story.failure().map(|failure| failure.kind()), Some(FailureKind::Misfit));
}

#[test]
fn the_replay_is_escaped_for_source_code() {
    let program = || {
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned()).spawn(|| ()).unwrap();
        let threads = [r#"say "hi""#, r"back\slash"].map(spawn);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    };
    let failing = || {
        program();
        panic!("for its text");
    };
    let text = panic_text(|| check(failing));
    let expected = r#"replay("'say \"hi\"'1 'back\\\\slash'1", program)"#;
    assert!(text.contains(expected), "{text}");
}

/// Generates the text of a turn.
fn turn() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[A-Z]{1,3}",
        "[a-zäß_-]{1,8}",
        any::<String>().prop_map(|name| {
            let escaped = name.replace('\\', r"\\").replace('\'', r"\'");
            format!("'{escaped}'")
        }),
        Just("~".to_owned()),
    ];
    prop_oneof![
        (name, 1..5u32).prop_map(|(name, count)| format!("{name}{count}")),
        (1..100u64, 1..5u32).prop_map(|(number, count)| format!("#{number}*{count}")),
        (0..10u32).prop_map(|value| format!("?{value}")),
    ]
}

/// Generates names that resemble those of other threads.
fn name() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        prop_oneof![Just("A"), Just("B"), Just("C"), Just("main"), Just(""), Just("x 1")]
            .prop_map(|name| Some(name.to_owned())),
        any::<String>().prop_map(|name| Some(name.replace('\0', "0"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_schedule_parses_back(turns in proptest::collection::vec(turn(), 0..12)) {
        let schedule = parsed(&turns.join(" "));
        let written = schedule.to_string();
        prop_assert_eq!(&parsed(&written), &schedule);
        prop_assert_eq!(parsed(&written).to_string(), written);
    }

    #[test]
    fn any_text_parses_or_is_refused(text in any::<String>()) {
        if let Ok(schedule) = text.parse::<Schedule>() {
            prop_assert_eq!(parsed(&schedule.to_string()), schedule);
        }
    }

    #[test]
    fn threads_of_any_name_are_found(names in proptest::collection::vec(name(), 3)) {
        let program = || {
            let order = Rc::new(RefCell::new(Vec::new()));
            let spawn = |name: &Option<String>| {
                let order = order.clone();
                let builder = match name {
                    Some(name) => thread::Builder::new().name(name.clone()),
                    None => thread::Builder::new(),
                };
                let body = move || order.borrow_mut().push(thread::current().id().number());
                builder.spawn(body).unwrap()
            };
            let threads: Vec<_> = names.iter().map(spawn).collect();
            drop(threads);
            leno::sleep(std::time::Duration::from_secs(1));
            order.take()
        };
        let report = explore(program);
        prop_assert_eq!(report.executions(), 6);
        for (order, outcome) in report.outcomes() {
            let text = outcome.schedule().to_string();
            prop_assert_eq!(&parsed(&text), outcome.schedule());
            prop_assert_eq!(&replay(&text, program), order);
        }
    }
}
