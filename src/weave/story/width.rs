//! How wide text is on a terminal, and how it is cut and wrapped.

/// In columns.
pub(super) fn width(text: &str) -> usize {
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

/// Without what would spoil columns.
pub(super) fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "\u{fffd}")
}

/// As much of the text as has room.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut short = prefix(text, most.saturating_sub(1)).trim_end().to_owned();
    if most > 0 {
        short.push('…');
    }
    short
}

fn prefix(text: &str, most: usize) -> &str {
    let mut used = 0;
    for (place, c) in text.char_indices() {
        used += char_width(c);
        if used > most {
            return &text[..place];
        }
    }
    text
}

/// Lines of words, each with room for `most`, which is at least 2; a word that is
/// longer is cut.
pub(super) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let most = most.max(2);
    let words = text.trim_start_matches(' ');
    // Text that is set in stays so.
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
    fn lines_are_no_longer_than_there_is_room() {
        let text = "waits for a mutex '日本語の名前' e\u{301} and averyveryverylongname";
        for most in 2..60 {
            let lines = wrapped(text, most);
            assert!(lines.iter().all(|line| width(line) <= most), "{most}: {lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
            assert!(width(&shortened(text, most)) <= most);
        }
        assert_eq!(wrapped("lock mutex 'a'", 8), ["lock", "mutex", "'a'"]);
        assert_eq!(wrapped("  left: 1", 8), ["  left:", "1"]);
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(shortened("long", 3), "lo…");
        assert_eq!(shortened("long", 0), "");
    }
}
