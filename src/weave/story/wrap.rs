//! Wrapping a text to the width of a column.

use crate::draw::text::{prefix, width};

/// Wraps the text between words to lines of at most `most` columns, or 2 if that is more. A longer
/// word is cut.
pub(super) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let most = most.max(2);
    let words = text.trim_start_matches(' ');
    // Indented text keeps its indentation.
    let mut used = (text.len() - words.len()).min(most / 2);
    let mut lines = vec![" ".repeat(used)];
    let mut is_first = true;
    for word in words.split(' ') {
        let mut rest = word;
        if !std::mem::take(&mut is_first) && used > 0 {
            if used + 1 + width(rest) <= most {
                lines.last_mut().expect("there is one").push(' ');
                used += 1;
            } else {
                lines.push(String::new());
                used = 0;
            }
        }
        while used + width(rest) > most {
            let part = prefix(rest, most - used);
            lines.last_mut().expect("there is one").push_str(part);
            rest = &rest[part.len()..];
            lines.push(String::new());
            used = 0;
        }
        lines.last_mut().expect("there is one").push_str(rest);
        used += width(rest);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_fit_the_width() {
        let text = "waits for a mutex '日本語の名前' e\u{301} and averyveryverylongname";
        for most in 2..60 {
            let lines = wrapped(text, most);
            assert!(lines.iter().all(|line| width(line) <= most), "{most}: {lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert_eq!(wrapped("lock mutex 'a'", 8), ["lock", "mutex", "'a'"]);
        assert_eq!(wrapped("  left: 1", 8), ["  left:", "1"]);
        assert_eq!(wrapped("", 8), [""]);
    }
}
