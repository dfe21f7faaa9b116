//! The page of the executions of a program.

mod browser;
mod programs;

use std::collections::BTreeMap;
use std::fmt;

use leno::thread::{self, Builder};
use leno::weave::{Explorer, Page, Shared, check, show, story};
use programs::{bank, letters};
use serde_json::Value;

fn bank_page() -> Page {
    Explorer::new().preemptive().page(bank)
}

fn json(page: &Page) -> Value {
    serde_json::from_str(&page.to_json()).expect("a page is JSON")
}

/// The leaves of a page's tree: the names of the threads of each step, and the outcome.
struct Leaf {
    steps: Vec<usize>,
    outcome: usize,
    count: u64,
    is_cut: bool,
}

/// Reads the tree as the script does.
fn leaves(facts: &Value) -> Vec<Leaf> {
    let mut path: Vec<usize> = Vec::new();
    let records = facts["tree"].as_str().expect("the tree is text").split('|');
    let read = |record: &str| {
        let (head, steps) = record.split_once(';').expect("a record has steps");
        let head: Vec<&str> = head.split(',').collect();
        path.truncate(head[0].parse().expect("a number of steps"));
        let number = |step: &str| {
            let end = step.find(['.', '!']).unwrap_or(step.len());
            step[..end].parse::<usize>().expect("the number of a step")
        };
        path.extend(steps.split(',').filter(|step| !step.is_empty()).map(number));
        let count = head.get(2).copied().unwrap_or_default();
        Leaf {
            steps: path.clone(),
            outcome: head[1].parse().expect("the number of an outcome"),
            count: count.trim_start_matches('+').parse().unwrap_or(1),
            is_cut: count.starts_with('+'),
        }
    };
    records.map(read).collect()
}

#[test]
fn a_page_has_its_facts() {
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    let told = bank_page().to_json().replace(version, "\"version\":\"\"");
    assert_eq!(told, include_str!("page/bank.json").trim_end(), "tests/weave/page/bank.json");
}

#[test]
fn the_verdict_is_a_sentence() {
    let verdict =
        |explorer: Explorer| explorer.page(|| letters(&["123", "xyz"])).verdict().to_owned();
    assert_eq!(verdict(Explorer::new()), "20 executions, 20 outcomes: complete");
    assert_eq!(verdict(Explorer::new().reduced()), "20 classes, 20 outcomes: complete");
    let drawn = verdict(Explorer::new().random(1).max_executions(50));
    assert!(
        drawn.starts_with("50 executions, ") && drawn.ends_with(": drawn at random"),
        "{drawn}"
    );
    let few = verdict(Explorer::new().max_executions(3));
    assert_eq!(few, "3 executions, 3 outcomes: there are more");
    let bounded = verdict(Explorer::new().max_switches(1));
    assert!(bounded.ends_with(": all with so few switches"), "{bounded}");
    let bank = "4 of 6 executions fail: the account is overdrawn (complete)";
    assert_eq!(bank_page().verdict(), bank);
}

#[test]
fn only_a_complete_exploration_proves() {
    let page = |explorer: Explorer| json(&explorer.page(|| letters(&["12", "xy"])));
    let claims = |explorer| {
        let facts = page(explorer);
        (facts["complete"] == true, facts["proves"] == true)
    };
    assert_eq!(claims(Explorer::new()), (true, true));
    assert_eq!(claims(Explorer::new().reduced()), (false, false));
    assert_eq!(claims(Explorer::new().random(1).max_executions(9)), (false, false));
    assert_eq!(claims(Explorer::new().max_switches(9)), (false, false));
    assert_eq!(claims(Explorer::new().max_executions(3)), (false, true));
    let tree = page(Explorer::new().max_executions(3))["tree"].to_string();
    assert!(tree.contains('!'), "not all is known below: {tree}");
}

#[test]
fn the_tree_has_each_execution() {
    for words in [&["123", "xyz"][..], &["12", "xy", "ab"]] {
        let page = Explorer::new().page(|| letters(words));
        let report = Explorer::new().explore(|| letters(words));
        let facts = json(&page);
        let mut steps: Vec<Vec<usize>> = Vec::new();
        let mut found = BTreeMap::new();
        for leaf in leaves(&facts) {
            let label =
                facts["outcomes"][leaf.outcome]["label"].as_str().expect("a label").to_owned();
            *found.entry(label).or_insert(0) += leaf.count;
            steps.push(leaf.steps);
        }
        let expected: BTreeMap<String, u64> = report
            .outcomes()
            .iter()
            .map(|(text, outcome)| (format!("{text:?}"), outcome.count()))
            .collect();
        assert_eq!(found, expected);
        steps.sort();
        steps.dedup();
        assert_eq!(steps.len() as u64, report.executions());
    }
}

#[test]
fn the_same_program_has_the_same_page() {
    assert_eq!(bank_page().to_html(), bank_page().to_html());
    let told = || story("preemptive: ann1 bob2", bank).to_html();
    assert_eq!(told(), told());
}

/// A text that ends scripts and comments, and one that turns the direction of text round.
const HOSTILE: &str = "</script><!--<b>\"'&`\u{202e}\u{0}\n${1}";

struct Hostile;

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HOSTILE)
    }
}

fn hostile() {
    let value = Shared::named(HOSTILE, 1);
    thread::scope(|scope| {
        let one = Builder::new().name(HOSTILE.replace('\u{0}', "")).spawn_scoped(scope, || {
            value.set(2);
            show(HOSTILE, &Hostile);
        });
        one.expect("a stack for a thread");
        scope.spawn(|| value.set(3));
    });
    assert!(value.get() == 2, "{HOSTILE}");
}

#[test]
fn names_and_values_stay_text() {
    let html = Explorer::new().preemptive().page(hostile).goal(HOSTILE, |_| true).to_html();
    assert_eq!(html.matches("</script").count(), 2, "the data and the script");
    assert_eq!(html.matches("<script").count(), 2);
    for raw in ["<!--", "<b>", "\u{202e}", "\u{0}"] {
        assert!(!html.contains(raw), "{raw:?} is in the page");
    }
    assert!(html.contains("\\u{202e}"), "the still story shows what cannot be seen");
    let facts = json(&Explorer::new().preemptive().page(hostile));
    let strings = facts["strings"].as_array().expect("a list of values");
    assert!(strings.iter().any(|text| text == HOSTILE), "JSON has the value itself");
}

#[test]
fn the_losing_turn_is_exact() {
    let html = bank_page().to_html();
    assert!(html.contains("! lost here: every continuation fails"), "{html}");
    let lost = |explorer: Explorer, program: fn()| {
        let failed = std::panic::catch_unwind(|| explorer.check(program));
        let text = *failed.expect_err("the check fails").downcast::<String>().expect("a text");
        let lost: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
        let [line] = *lost else { panic!("{text}") };
        line.to_owned()
    };
    let second = lost(Explorer::new().preemptive(), bank);
    assert!(second.starts_with("!   2 ") && second.contains("get balance: 100"), "{second}");
    let first = lost(Explorer::new(), x_is_not_first);
    assert!(first.starts_with("!   1 ") && first.contains("update out:"), "{first}");
}

fn x_is_not_first() {
    let text = letters(&["1", "x", "a"]);
    assert!(!text.starts_with('x'), "x was first");
}

#[test]
fn no_turn_is_lost_where_executions_are_missing() {
    let story = |explorer: Explorer| {
        let html = explorer.page(x_is_not_first).to_html();
        let (_, story) = html.split_once("<pre>").expect("there is a story");
        story.split_once("</pre>").expect("the story ends").0.to_owned()
    };
    assert!(story(Explorer::new()).contains("lost here"));
    let few = story(Explorer::new().max_executions(3));
    assert!(few.contains("went wrong") && !few.contains("lost here"), "{few}");
}

#[test]
fn no_turn_is_lost_where_all_executions_fail() {
    let page = Explorer::new().page(|| {
        let text = letters(&["1", "x"]);
        assert!(text.is_empty());
    });
    let html = page.to_html();
    let (_, story) = html.split_once("<pre>").expect("there is a story");
    assert!(story.contains("went wrong"), "{story}");
    let (story, _) = story.split_once("</pre>").expect("the story ends");
    assert!(!story.contains("lost here"), "{story}");
    assert!(page.verdict().starts_with("2 of 2 executions fail"), "{}", page.verdict());
}

/// Returns a program of 12,870 executions with long values.
fn long_values() -> usize {
    let out = Shared::named("out", format!("{:>183}", ""));
    leno::scope(|scope| {
        for letter in ['a', 'b'] {
            let out = &out;
            scope.spawn(move || {
                for index in 0..8 {
                    if index > 0 {
                        leno::yield_now();
                    }
                    out.update(|out| out.push(letter));
                }
            });
        }
    });
    out.into_inner().len()
}

#[test]
fn a_large_exploration_says_what_is_left_out() {
    let page = Explorer::new().page(long_values);
    let facts = json(&page);
    let leaves = leaves(&facts);
    let counted = |is_cut| -> u64 {
        leaves.iter().filter(|leaf| leaf.is_cut == is_cut).map(|leaf| leaf.count).sum()
    };
    assert_eq!(counted(true) + counted(false), 12_870);
    assert!(counted(true) > 0, "all of {} bytes fit", page.to_json().len());
    assert!(page.to_json().len() < 4 << 20);
    let cuts = facts["cuts"].to_string();
    assert!(cuts.contains("executions are not in this page"), "{cuts}");
    assert!(cuts.contains("cut after 200 characters"), "{cuts}");
}

#[test]
fn a_page_keeps_to_its_size() {
    let html = bank_page().to_html();
    assert!(html.len() <= 150_000, "a failing check: {}", html.len());
    let (_, script) = html.rsplit_once("<script>").expect("there is a script");
    assert!(script.len() <= 40 << 10, "the script: {}", script.len());
    let page = Explorer::new().page(|| letters(&["123", "xyz", "abc"]));
    assert_eq!(page.verdict(), "1,680 executions, 1,680 outcomes: complete");
    let bytes = page.to_html().len();
    assert!(bytes <= 400 << 10, "1,680 executions: {bytes}");
}

#[test]
fn a_goal_names_its_outcomes() {
    let page = Explorer::new().page(|| letters(&["12", "xy"]));
    let page = page.goal("1 before x", |text| text < "\"x").goal("impossible", |text| text == "21");
    let facts = json(&page);
    assert_eq!(facts["goals"][0]["words"], "1 before x");
    assert_eq!(facts["goals"][0]["outcomes"], serde_json::json!([0, 1, 2]));
    assert_eq!(facts["goals"][1]["outcomes"], serde_json::json!([]));
}

#[test]
fn a_shown_value_is_no_operation() {
    let program = || {
        leno::scope(|scope| {
            scope.spawn(|| show("one", &1));
            scope.spawn(|| show("two", &[2, 2]));
        });
    };
    let preemptive = Explorer::new().preemptive();
    assert_eq!(preemptive.explore(program).executions(), 2);
    assert_eq!(preemptive.reduced().explore(program).executions(), 1);
    let told = story("", program).to_string();
    assert!(told.contains("shows one: 1") && told.contains("shows two: [2, 2]"), "{told}");
    show("outside", &"costs nothing");
}

#[test]
fn a_check_that_passes_writes_nothing() {
    check(|| letters(&["1", "x"]));
}

/// Returns the colours of a block of the style sheet, by their names.
fn palette(start: &str) -> BTreeMap<&'static str, [f64; 3]> {
    let style = include_str!("../../src/weave/page/page.css");
    let block = style.split_once(start).expect("the block is there").1;
    let block = block.split_once('}').expect("the block ends").0;
    let colour = |line: &'static str| {
        let (name, colour) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let channel = |at: usize| {
            let value =
                u8::from_str_radix(&colour[at..at + 2], 16).expect("two hexadecimal digits");
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        Some((name, [0, 2, 4].map(channel)))
    };
    block.split(';').filter_map(colour).collect()
}

/// Returns the contrast of two colours, by WCAG.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let light = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    let (one, other) = (light(one) + 0.05, light(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn colours_have_enough_contrast() {
    let style = include_str!("../../src/weave/page/page.css");
    for start in [":root {", ":root[data-theme=\"dark\"] {", ":root:not([data-theme]) {"] {
        let colours = palette(start);
        let texts = colours.keys().filter(|name| name.starts_with('t') && name.len() == 2);
        for text in texts.chain(&["ink", "faint", "mark", "bad", "good"]) {
            for paper in ["paper", "soft"] {
                let found = contrast(colours[text], colours[paper]);
                assert!(found >= 4.5, "{start} {text} on {paper}: {found:.2}");
            }
        }
        let pairs = [("ink", "now"), ("faint", "now"), ("bad", "now"), ("on-mark", "mark")];
        for (text, paper) in pairs.into_iter().chain([("ink", "bad-soft"), ("faint", "bad-soft")]) {
            let found = contrast(colours[text], colours[paper]);
            assert!(found >= 4.5, "{start} {text} on {paper}: {found:.2}");
        }
        assert!(contrast(colours["line"], colours["paper"]) >= 3.0, "{start} lines");
    }
    assert!(!style.contains("url("), "the page loads nothing");
}
