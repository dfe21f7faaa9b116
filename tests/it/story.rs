//! Stories of executions, as text and as pictures.

mod programs;
mod xml;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use leno::weave::{Explorer, FailureKind, Schedule, Story, story};

use crate::support::{panic_text, this_binary};
use programs as program;

/// Checks that the story is that of the file with this name. With `LENO_KEEP_STORIES`
/// set, writes the file first.
#[track_caller]
fn assert_story(name: &str, story: &Story) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/story");
    let text = format!("{story}\n");
    let path = folder.join(name).with_extension("txt");
    if env::var_os("LENO_KEEP_STORIES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == kept, "the story {name} differs:\n{kept}\nbut\n{text}");
    check_forms(story);
}

/// Checks the properties of every story.
#[track_caller]
fn check_forms(story: &Story) {
    let text = story.to_string();
    let coloured = story.coloured();
    assert_eq!(format!("{story:#}"), coloured);
    assert_eq!(without_colours(&coloured), text);
    assert!(!text.contains('\u{1b}') && !text.contains('\t'), "{text}");
    for columns in [0, 60, 72, 100, 140, 250] {
        let text = story.text(columns, 40);
        let is_report = |block: &&str| block.starts_with("deadlock: every green thread waits, and");
        for line in text.split("\n\n").filter(|block| !is_report(block)).flat_map(str::lines) {
            assert!(line.chars().count() <= columns.max(60), "{columns}: {line}\n{text}");
        }
    }
    let svg = story.to_svg();
    xml::check(&svg);
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" "), "{svg}");
    // The picture is self-contained.
    assert_eq!(svg.matches("http").count(), 1, "{svg}");
    assert!(!svg.contains("<script") && !svg.contains("url(") && !svg.contains("@import"), "{svg}");
}

fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + piece.split_once('m').expect("each colour ends").1)
}

#[test]
fn a_lost_update_has_a_story() {
    let story = story("preemptive: A1 B1 A1", program::lost_update);
    assert_eq!(story.failure().unwrap().kind(), FailureKind::Panic);
    assert_eq!(story.schedule().to_string(), "preemptive: A1 B1 A1");
    assert_story("lost_update", &story);
}

#[test]
fn each_program_has_its_story() {
    let stories: [(&str, &str, fn()); 10] = [
        // Source lines between the operations are shown, too.
        ("lost_between_yields", "A1 B1 A1", program::lost_between_yields),
        ("orders", "timed:", program::orders),
        ("interrupted", "", program::interrupted),
        ("turns", "preemptive: A1", program::turns),
        ("waits_forever", "", program::waits_forever),
        ("waits_for_itself", "", program::waits_for_itself),
        ("panics_first", "", program::panics_first),
        ("panics_at_once", "", program::panics_at_once),
        ("panics_when_dropped", "", program::panics_when_dropped),
        ("panics_and_catches", "", program::panics_and_catches),
    ];
    for (name, schedule, program) in stories {
        assert_story(name, &story(schedule, program));
    }
    let letters = story("A2 B2 A1", program::letters);
    assert!(letters.failure().is_none());
    assert_story("letters", &letters);
    let explorer = Explorer::new();
    let last = |values: &Vec<u32>| *values == [1, 10];
    let schedule = explorer.find(program::chosen, last).expect("either case may be first");
    assert_story("chosen", &explorer.story(schedule, program::chosen));
}

#[test]
fn a_deadlock_shows_its_cycle() {
    let story = story("A1 B1", program::two_locks);
    assert_eq!(story.failure().unwrap().kind(), FailureKind::Deadlock);
    assert_story("two_locks", &story);
    let svg = story.to_svg();
    assert!(svg.contains(">cycle</text>"), "{svg}");
    assert!(svg.contains(">waits for mutex 'left'</text>"), "{svg}");

    let explorer = Explorer::new();
    let report = explorer.explore(program::philosophers);
    let deadlock = report.failure().unwrap().schedule();
    assert_story("philosophers", &explorer.story(deadlock, program::philosophers));
}

#[test]
fn an_endless_loop_is_shown_once() {
    let explorer = Explorer::new().max_steps(20_000);
    let story = explorer.story("A1", program::spinning);
    assert_eq!(story.failure().unwrap().kind(), FailureKind::Endless);
    assert_eq!(story.steps(), 20_001);
    assert_story("spinning", &story);
    // The complete schedule gives the same short story.
    let all = story.failure().unwrap().schedule();
    assert!(all.turns() > 10_000);
    let text = explorer.story(all, program::spinning).to_string();
    assert!(text.len() < 5_000, "{text}");
    assert!(text.contains(" turns in all)"), "{text}");
}

#[test]
fn many_green_threads_share_a_column() {
    let story = story("", program::crowd);
    assert!(story.failure().is_none());
    assert_story("crowd", &story);
    let wide = story.text(300, 200);
    assert!(!wide.contains("no room"), "{wide}");
}

#[test]
fn the_middle_of_a_long_story_is_left_out() {
    let explorer = Explorer::new();
    let long = explorer.story("", program::long);
    check_forms(&long);
    let text = long.text(100, 60);
    assert!(text.lines().count() < 80, "{text}");
    assert!(text.contains("steps are left out"), "{text}");
    assert!(text.ends_with("schedule: none, first come, first served"), "{text}");
    let all = long.text(100, usize::MAX);
    assert!(!all.contains("left out"), "{all}");
    assert!(all.lines().count() > long.steps());
}

#[test]
fn the_middle_of_a_long_step_is_left_out() {
    let busy = story("", program::busy_step);
    check_forms(&busy);
    let text = busy.to_string();
    assert!(text.contains(" more …"), "{text}");
    assert!(text.lines().count() < 60, "{text}");
    assert!(text.contains("○"), "{text}");
    assert!(text.contains("set value 2"), "{text}");
}

#[test]
fn a_failure_is_never_left_out() {
    // The program continues for long after the panic.
    let story = Explorer::new().story("", || {
        let handle = leno::spawn(|| (0..50).for_each(|_| leno::yield_now()));
        (0..50).for_each(|_| leno::yield_now());
        let _ = leno::spawn(|| panic!("in the middle")).join();
        for step in 0..300 {
            leno::thread::park_timeout(Duration::from_micros(step));
        }
        drop(handle);
    });
    for rows in [10, 30, 100] {
        let text = story.text(100, rows);
        let wrong: Vec<&str> = text.lines().filter(|line| line.starts_with("✗  ")).collect();
        assert!(matches!(wrong[..], [line] if line.contains("panics: in")), "{rows}: {text}");
    }
    check_forms(&story);
}

#[test]
fn a_story_may_have_one_thread() {
    let alone = story("", program::alone);
    assert!(alone.failure().is_none());
    assert_eq!(alone.steps(), 1);
    assert_story("alone", &alone);
}

#[test]
fn a_panic_without_a_text_is_shown() {
    let anything = story("", program::panics_with_anything);
    check_forms(&anything);
    assert!(anything.to_string().contains("panics: a panic without a text"), "{anything}");
}

#[test]
fn any_name_and_value_can_be_shown() {
    let odd = story("preemptive:", program::odd_names);
    assert!(odd.failure().is_none(), "{odd}");
    check_forms(&odd);
    let svg = odd.to_svg();
    assert!(svg.contains("&lt;two&gt; &amp;"), "{svg}");
    let bad = story("", program::bad_values);
    assert!(bad.failure().is_none(), "{bad}");
    assert!(bad.to_string().contains("set bad "), "{bad}");
    check_forms(&bad);
}

#[test]
fn a_misfit_is_shown_up_to_its_choice() {
    let misfit = story("A1 C1", program::two_locks);
    assert_eq!(misfit.failure().unwrap().kind(), FailureKind::Misfit);
    let text = misfit.to_string();
    assert!(text.starts_with("the schedule does not fit the program: "), "{text}");
    assert!(text.contains("let _left = left.lock();"), "{text}");
    check_forms(&misfit);
    let text = panic_text(|| story("A0", program::alone));
    assert!(text.contains("gives no turn"), "{text}");
    let text = panic_text(|| leno::run(|| story("", program::alone)));
    assert!(text.contains("leno::weave::story was called inside a runtime"), "{text}");
}

#[test]
fn every_execution_has_a_story() {
    for explorer in
        [Explorer::new(), Explorer::new().preemptive(), Explorer::new().preemptive().timed()]
    {
        let programs: [fn(); 4] =
            [program::lost_update, program::two_locks, program::orders, program::interrupted];
        for program in programs {
            let report = explorer.clone().random(1).max_executions(6).explore(program);
            let outcomes = report.outcomes().values().map(|outcome| outcome.schedule());
            let failures = report.failures().iter().map(|failure| failure.schedule());
            for schedule in outcomes.chain(failures) {
                let first = explorer.story(schedule, program);
                check_forms(&first);
                let again = explorer.story(schedule, program);
                assert_eq!(first.to_string(), again.to_string());
                assert_eq!(first.to_svg(), again.to_svg());
            }
            for failure in report.failures() {
                let story = explorer.story(failure.schedule(), program);
                let own = story.failure().expect("it fails again");
                assert_eq!(own.message().lines().next(), failure.message().lines().next());
                assert!(story.to_string().contains('✗'), "{story}");
            }
        }
    }
}

#[test]
fn without_the_source_line_numbers_are_shown() {
    const CHILD: &str = "LENO_STORY_WITHOUT_SOURCE";
    if env::var_os(CHILD).is_some() {
        println!("{}", story("preemptive: A1 B1 A1", program::lost_update));
        return;
    }
    let name = "story::without_the_source_line_numbers_are_shown";
    let ran = this_binary()
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .env_remove("CARGO_MANIFEST_DIR")
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let row = text.lines().find(|line| line.contains("set balance: 1"));
    let row = row.unwrap_or_else(|| panic!("{text}"));
    let source = include_str!("story/programs.rs").lines();
    let line = source.take_while(|line| !line.contains("balance.set(before + 1)")).count() + 1;
    assert!(row.trim_end().ends_with(&format!(" {line}")), "{text}");
    assert!(!text.contains("let before"), "{text}");
}

#[test]
fn a_story_can_be_debugged() {
    let story = story(Schedule::default(), program::alone);
    let text = format!("{story:?}");
    assert!(text.starts_with("Story { steps: 1, schedule: "), "{text}");
}
