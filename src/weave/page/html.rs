//! The HTML of a page. What is here can be read without scripts and without styles.

use std::fmt::Write;

use super::Page;
use super::json::is_invisible;
use crate::weave::report::grouped;
use crate::weave::story::{At, Story, Teller};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The most rows of a table.
const MOST_ROWS: usize = 200;
/// The size of the story as text.
const COLUMNS: usize = 100;
const LINES: usize = 150;

pub(super) fn html(page: &Page) -> String {
    let mut out =
        String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + page.json.len());
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a placeholder of the template ends");
        out.push_str(before);
        match name {
            "style" => out.push_str(STYLE),
            "script" => script(&mut out),
            "data" => out.push_str(&page.to_json()),
            "title" => out.push_str(&escaped(&format!("{}: {}", page.title, page.verdict))),
            "verdict" => out.push_str(&escaped(&page.verdict)),
            "still" => still(&mut out, page),
            _ => unreachable!("the template has no other placeholder"),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Writes the script without its indentation and comments, which are an eighth of it.
fn script(out: &mut String) {
    let lines = SCRIPT.lines().map(str::trim_start);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("//")) {
        out.push_str(line);
        out.push('\n');
    }
}

/// Replaces the characters that HTML does not allow in a text, and shows those that cannot be seen.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push('\n'),
            // mistake: page-turned-round
            c if is_invisible(c) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes what can be read without scripts.
fn still(out: &mut String, page: &Page) {
    out.push_str("<h2>Outcomes</h2>\n<table>\n<caption>The outcomes of the executions</caption>\n");
    out.push_str(
        "<thead><tr><th scope=\"col\">Count</th><th scope=\"col\">Outcome</th>\
         <th scope=\"col\">Schedule of the first</th></tr></thead>\n<tbody>\n",
    );
    for row in page.outcomes.iter().take(MOST_ROWS) {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}{}</td><td><code>{}</code></td></tr>",
            grouped(row.count),
            if row.fails { "fails: " } else { "" },
            escaped(&row.label),
            escaped(&row.schedule),
        );
    }
    out.push_str("</tbody>\n</table>\n");
    if let Some(more) = page.outcomes.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ =
            writeln!(out, "<p>{} more outcomes are not in this table.</p>", grouped(more as u64));
    }
    page.story.iter().for_each(|story| still_story(out, story));
    for cut in &page.cuts {
        let _ = writeln!(out, "<p>{}</p>", escaped(cut));
    }
}

/// Writes the steps of a story as a table, and the story as text.
fn still_story(out: &mut String, story: &Story) {
    out.push_str("<h2>One execution</h2>\n");
    for line in story.title().lines() {
        let _ = writeln!(out, "<p>{}</p>", escaped(&super::relative(line)));
    }
    let _ = writeln!(
        out,
        "<table>\n<caption>The steps of the schedule <code>{}</code></caption>\n<thead><tr>\
         <th scope=\"col\">Step</th><th scope=\"col\">Thread</th><th scope=\"col\">What it does</th>\
         <th scope=\"col\">Line</th></tr></thead>\n<tbody>",
        escaped(&story.schedule().to_string())
    );
    let steps = Teller::new().tell(story.recording(), story.threads(), 0);
    for (index, step) in steps.iter().enumerate().take(MOST_ROWS) {
        let who = match step.actor {
            crate::weave::recording::Actor::Thread(number) => story.threads().label(number),
            crate::weave::recording::Actor::Clock(_) => "time",
            crate::weave::recording::Actor::Outside => "outside",
        };
        let words: Vec<String> = step
            .lines
            .iter()
            .map(|(words, _)| escaped(words))
            .filter(|it| !it.is_empty())
            .collect();
        let values: Vec<String> = step
            .values
            .iter()
            .map(|(name, value)| format!("{} = {}", escaped(name), escaped(value)))
            .collect();
        let wrong = if story.wrong() == Some(index) { "fails here: " } else { "" };
        let place = step.lines.iter().find_map(|(_, place)| place.as_ref());
        let at = |at: &At| format!("{}:{}", escaped(&super::relative(&at.file)), at.line);
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{wrong}{}</td><td>{}</td></tr>",
            index + 1,
            escaped(who),
            words.into_iter().chain(values).collect::<Vec<_>>().join("; "),
            place.map_or_else(String::new, at),
        );
    }
    out.push_str("</tbody>\n</table>\n");
    if let Some(more) = steps.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(out, "<p>{} more steps are not in this table.</p>", grouped(more as u64));
    }
    let text = super::relative(&story.text(COLUMNS, LINES));
    let _ = writeln!(out, "<pre>{}</pre>", escaped(&text));
}
