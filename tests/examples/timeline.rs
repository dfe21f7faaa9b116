//! The output and the pictures of the timeline example.

use std::fs;
use std::path::Path;

use super::{refuse, run, succeed};

const TIMELINE: &str = "\
       time  main  producer  consumer  watchman
          0  █─────○─────────○─────────○         waits for the end of consumer (10_timeline.rs:LINE)
             ┊     █         │         │         waits for room in channel 'parcels' (line LINE)
             ┊     ◀─────────█         │         sleeps (10_timeline.rs:LINE)
             ┊     │         ┊         █         sleeps (10_timeline.rs:LINE)
";

/// Removes line numbers of the example, which may be edited.
fn without_lines(text: &str) -> String {
    let mut plain = text.to_owned();
    for before in ["10_timeline.rs:", "(line "] {
        let mut pieces = plain.split(before);
        let first = pieces.next().unwrap_or_default().to_owned();
        let digits = |c: char| c.is_ascii_digit() || c == ':';
        plain = pieces.fold(first, |text, piece| {
            format!("{text}{before}LINE{}", piece.trim_start_matches(digits))
        });
    }
    plain
}

#[test]
fn a_run_is_shown_as_columns_trace_and_picture() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("timeline made on demand");
    let _ = fs::remove_dir_all(&folder);
    let text = succeed("10_timeline", &[folder.to_str().expect("the path is UTF-8")]);
    assert!(without_lines(text.trim_start()).starts_with(TIMELINE), "{text}");
    assert_eq!(text.matches('█').count(), 18 + 1, "{text}");
    assert!(text.contains("cancelled, waits for the end of all others"), "{text}");
    assert!(text.contains("timeline.json for https://ui.perfetto.dev"), "{text}");

    let read = |name| fs::read_to_string(folder.join(name)).expect("the file is written");
    let trace: serde_json::Value = serde_json::from_str(&read("timeline.json")).expect("JSON");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 80));
    // The picture contains the line numbers of the waits.
    assert_eq!(
        without_lines(&read("timeline.svg")),
        without_lines(include_str!("../../docs/timeline.svg")),
        "docs/timeline.svg is not what the example draws: copy that from {}",
        folder.display()
    );
}

#[test]
fn invalid_arguments_of_the_timeline_are_refused() {
    refuse("10_timeline", &["one", "two"], "one folder is enough");
    refuse("10_timeline", &[""], "one folder is enough");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a file and no folder either");
    fs::write(&file, "").expect("the folder of the tests can be written to");
    let ran = run("10_timeline", &[&file]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
}
