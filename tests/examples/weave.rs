//! The output of the weave example.

use super::{refuse, run, succeed};

const NAME: &str = "11_weave";

#[test]
fn all_interleavings_are_listed() {
    let all = succeed(NAME, &[]);
    let mut lines = all.lines();
    assert_eq!(lines.next(), Some("20 interleavings, 20 texts"));
    assert_eq!(lines.next(), Some(""));
    let texts: Vec<&str> = lines.collect();
    assert_eq!(texts.len(), 20);
    assert_eq!(texts[2], " 1 x  12xy3z   A2 B2 A1");
    assert_eq!(succeed(NAME, &["A=123", "B=xyz"]), all);
    // Every text but one has several interleavings.
    let same = succeed(NAME, &["A=12", "B=12"]);
    assert_eq!(same, "6 interleavings, 2 texts\n\n4 x  1122   A1 B1 A1\n2 x  1212   A2\n");
    let three = succeed(NAME, &["A=123", "B=xyz", "C=abc"]);
    assert!(three.starts_with("1680 interleavings, 1680 texts\n"), "{three}");
}

#[test]
fn a_wanted_text_is_found_or_impossible() {
    let found = succeed(NAME, &["--want", "12xy3z"]);
    assert!(
        found.starts_with("12xy3z is printed by the schedule A2 B2 A1\n\n turn  main"),
        "{found}"
    );
    assert!(found.ends_with("schedule: A2 B2 A1\n"), "{found}");
    let none = succeed(NAME, &["A=123", "B=xyz", "--want", "2x1yz3"]);
    assert_eq!(none, "2x1yz3 is never printed: all 20 interleavings were tried\n");
}

#[test]
fn a_seed_selects_a_random_interleaving() {
    let drawn = succeed(NAME, &["--random", "--seed", "7"]);
    assert!(drawn.contains(", which seed 7 drew\n"), "{drawn}");
    assert_eq!(succeed(NAME, &["--random", "--seed", "7"]), drawn);
    let others: std::collections::BTreeSet<String> = (0..10)
        .map(|seed: u32| succeed(NAME, &["--random", "--seed", &seed.to_string()]))
        .collect();
    assert!(others.len() > 5, "{others:?}");
}

#[test]
fn the_picture_is_written() {
    let name = format!("leno-weave-{}.svg", std::process::id());
    let path = std::env::temp_dir().join(name);
    let ran = run(NAME, &["--want", "12xy3z", "--svg", path.to_str().expect("a path in UTF-8")]);
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    let picture = std::fs::read_to_string(&path).expect("the picture was written");
    std::fs::remove_file(&path).expect("the picture can be removed");
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"), "{picture}");
}

#[test]
fn invalid_arguments_are_refused_with_advice() {
    refuse(NAME, &["--want", "12xy3"], "\"12xy3\" has other letters than the routines");
    refuse(NAME, &["--want"], "--want needs a text behind it");
    refuse(NAME, &["--seed", "7"], "--seed without --random draws nothing");
    refuse(NAME, &["--random", "--seed", "x"], "\"x\" is no seed");
    refuse(NAME, &["--random", "--want", "123xyz"], "each name an interleaving");
    refuse(NAME, &["--svg", "x.svg"], "--svg draws one interleaving, and this lists all");
    refuse(NAME, &["A=1", "A=2"], "there are two routines A");
    refuse(NAME, &["A="], "routine A has no steps");
    refuse(NAME, &["AB=1"], "\"AB\" is no name for a routine");
    refuse(NAME, &["A=1 2"], "the step ' ', which cannot be seen");
    refuse(NAME, &["--all"], "\"--all\" is no option");
    refuse(NAME, &["A=123456789", "B=123456789", "C=123"], "interleavings");
    let unwritable = "/nowhere/at/all.svg";
    let ran = run(NAME, &["--random", "--svg", unwritable]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("cannot write /nowhere/at/all.svg"), "{}", ran.stderr);
}

#[test]
fn pages_are_written() {
    let path = std::env::temp_dir().join(format!("leno-page-{}.html", std::process::id()));
    let name = path.to_str().expect("a path in UTF-8");
    let bank = "4 of 6 executions fail: the account is overdrawn (complete)";
    for (example, arguments, verdict) in [
        (NAME, &["--want", "2x1yz3", "--html", name][..], "20 executions, 20 outcomes: complete"),
        ("12_check", &["--html", name], bank),
    ] {
        succeed(example, arguments);
        let page = std::fs::read_to_string(&path).expect("the page was written");
        std::fs::remove_file(&path).expect("the page can be removed");
        assert!(page.contains(&format!("<h1>{verdict}</h1>")), "{page}");
    }
    refuse("12_check", &["--html", "/nowhere/at/all.html"], "/nowhere/at/all.html");
}
