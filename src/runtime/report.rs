//! The deadlock report: who waits for what, since which line.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::control::Control;
use super::wait::WaitFor;

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
        let at = control.waits_for().map_or_else(String::new, |wait| wait.at.to_string());
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
    match control.waits_for().map(|wait| wait.what) {
        Some(WaitFor::Unpark) => "unpark".to_owned(),
        Some(WaitFor::Sleep) => "the end of a sleep without end".to_owned(),
        Some(WaitFor::Future) => "a future".to_owned(),
        Some(WaitFor::Join(target)) => match target.name() {
            Some(name) => format!("the end of '{name}' (#{})", target.number()),
            None => format!("the end of #{}", target.number()),
        },
        Some(WaitFor::Scope) => "the end of its scope's green threads".to_owned(),
        Some(WaitFor::AllEnded) => "the end of all green threads".to_owned(),
        Some(WaitFor::Stalled) => "its turn".to_owned(),
        Some(WaitFor::Resource(need)) => need.resource.kind().to_owned(),
        Some(WaitFor::Any(_)) => "any of several".to_owned(),
        None => "nothing".to_owned(),
    }
}
