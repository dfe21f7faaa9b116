//! Text in columns: its width on a terminal, and how it is shortened.

use std::ops::RangeInclusive;

/// Returns the width of the text on a terminal, in columns.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Replaces control characters, which would break columns.
pub(crate) fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "\u{fffd}")
}

/// Shortens the text to at most `most` columns, with an ellipsis at the end.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut short = prefix(text, most.saturating_sub(1)).trim_end().to_owned();
    if most > 0 {
        short.push('…');
    }
    short
}

/// Returns the beginning of the text that is at most `most` columns wide.
pub(crate) fn prefix(text: &str, most: usize) -> &str {
    let mut used = 0;
    for (place, c) in text.char_indices() {
        used += char_width(c);
        if used > most {
            return &text[..place];
        }
    }
    text
}

/// Returns the widest columns that fit `room`: `widths` gives them for each limit of a column's
/// width.
pub(crate) fn widest_columns(
    limits: RangeInclusive<usize>,
    room: usize,
    widths: impl Fn(usize) -> Vec<usize>,
) -> Option<Vec<usize>> {
    limits.rev().map(widths).find(|widths| widths.iter().sum::<usize>() <= room)
}

/// Returns the note on a column that is shared by several green threads.
pub(crate) fn rest_note(labels: &[impl AsRef<str>]) -> Option<String> {
    let (first, last) = (labels.first()?.as_ref(), labels.last()?.as_ref());
    Some(format!(
        "+{} stands for the green threads from {first} to {last}, for which there is no room",
        labels.len()
    ))
}

/// Formats a duration in the unit that suits it, with up to three decimals.
pub(crate) fn duration(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let decimals = format!("{:03}", nanos % unit * 1_000 / unit);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals} {name}", nanos / unit)
}

/// Returns the name of a file without its folders.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_text_fits_the_width() {
        let text = "waits for a mutex '日本語の名前' e\u{301} and averyveryverylongname";
        for most in 0..60 {
            assert!(width(&shortened(text, most)) <= most);
        }
        assert_eq!(shortened("long", 3), "lo…");
        assert_eq!(shortened("long", 0), "");
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let cases = [
            (0, "0"),
            (1, "1 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_500, "1.5 µs"),
            (12_345_678, "12.345 ms"),
            (999_999_999, "999.999 ms"),
            (60_000_000_000, "60 s"),
            (1_001_000_000, "1.001 s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn a_file_name_has_no_folders() {
        assert_eq!(file_name("src/debug/timeline.rs"), "timeline.rs");
        assert_eq!(file_name(r"src\main.rs"), "main.rs");
        assert_eq!(file_name("main.rs"), "main.rs");
    }
}
