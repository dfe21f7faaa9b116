//! JSON, and the numbers of equal texts.

use std::collections::HashMap;
use std::fmt::Write;

/// Appends a text as a JSON string that is also safe inside an HTML element for scripts.
pub(super) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            // `</script` and `<!--` would end the element, or change how it ends.
            // mistake: page-script-ends
            '<' | '>' | '&' => push_escape(out, c),
            c if is_invisible(c) => push_escape(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

/// Returns the elements as a JSON array.
pub(super) fn array(elements: impl IntoIterator<Item = String>) -> String {
    let elements: Vec<String> = elements.into_iter().collect();
    format!("[{}]", elements.join(","))
}

/// Returns `true` if the character shows nothing, or changes how others are shown: control characters,
/// and those of the direction of text.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Numbers equal texts once, in the order in which they first come.
#[derive(Default)]
pub(super) struct Numbered {
    known: HashMap<String, u32>,
    texts: Vec<String>,
    /// The bytes of all texts.
    pub(super) bytes: usize,
}

impl Numbered {
    /// Returns the number of a text, and adds it if it is new.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.known.get(text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.known.insert(text.to_owned(), number);
        self.texts.push(text.to_owned());
        self.bytes += text.len() + 3;
        number
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }
}
