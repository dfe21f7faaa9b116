//! What a program has set, and the log.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::program::Program;

/// Takes a line of the log.
pub(super) type Log = Box<dyn Fn(&str)>;

/// The settings of a master.
pub(super) struct Settings {
    pub(super) program: Program,
    /// How long a worker may take until it is ready.
    pub(super) ready_within: Duration,
    /// How long a worker may take to end once it was told to stop.
    pub(super) stop_within: Duration,
    pub(super) log: Log,
}

impl Settings {
    /// Writes an event to the log, as one line.
    pub(super) fn log(&self, event: fmt::Arguments<'_>) {
        (self.log)(&one_line(&event.to_string()));
    }
}

/// Writes a line to standard error. It is lost if that cannot be written to.
pub(super) fn to_stderr(line: &str) {
    // As one piece, since the workers may write there, too.
    let _ = io::stderr().write_all(format!("leno: {line}\n").as_bytes());
}

/// Returns the text without characters that would end a line, or act on a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // mistake: workers-lines-split
        let is_control = c.is_control();
        if is_control {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(one_line("a\nb\x1b[31m é"), "a\\nb\\u{1b}[31m é");
    }
}
