//! The deadlock report: who waits for what, since which line.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::control::{Control, WaitFor};

/// One line for each green thread that waits.
pub(super) fn deadlock(waiting: &[&Control]) -> String {
    let names: Vec<String> = waiting.iter().map(|control| title(control)).collect();
    let what: Vec<String> = waiting.iter().map(|control| waits_for(control)).collect();
    let width =
        |column: &[String]| column.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let (name_width, what_width) = (width(&names), width(&what));
    let mut report =
        String::from("deadlock: every green thread waits, and nothing is left that could wake one");
    for ((control, name), what) in waiting.iter().zip(&names).zip(&what) {
        let at = control.wait.get().map_or_else(String::new, |wait| wait.at.to_string());
        let _ = write!(report, "\n  {name:name_width$}  waits for {what:what_width$}  at {at}");
    }
    report
}

/// A green thread's name and number.
fn title(control: &Control) -> String {
    let number = control.number();
    match control.name() {
        _ if number == 1 => "main".to_owned(),
        Some(name) => format!("'{name}' (#{number})"),
        None => format!("#{number} {}", control.body()),
    }
}

fn waits_for(control: &Control) -> String {
    match control.wait.get().map(|wait| wait.what) {
        Some(WaitFor::Unpark) => "unpark".to_owned(),
        Some(WaitFor::Join) => match control.awaited().map(|awaited| (awaited.name(), awaited)) {
            Some((Some(name), awaited)) => format!("the end of '{name}' (#{})", awaited.number()),
            Some((None, awaited)) => format!("the end of #{}", awaited.number()),
            None => "the end of a green thread".to_owned(),
        },
        Some(WaitFor::Scope) => "the end of its scope's green threads".to_owned(),
        Some(WaitFor::AllEnded) => "the end of all green threads".to_owned(),
        None => "nothing".to_owned(),
    }
}
