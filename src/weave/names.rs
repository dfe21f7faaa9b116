//! The labels of green threads in schedules and stories.

use std::fmt;

use super::name::Name;
use crate::explore::CLOCK;
use crate::inspect::deadlock::letters;

/// The label of a green thread, or of the clock, in a schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Label {
    Named(Name),
    Numbered(u64),
    Clock,
}

impl Label {
    /// Returns `true` if this is the label of the green thread with this number.
    pub(super) fn is(&self, number: u64, names: &Names) -> bool {
        match self {
            Label::Clock => number == CLOCK,
            Label::Numbered(labelled) => *labelled == number,
            Label::Named(name) => number != CLOCK && names.is(number, name),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Clock => f.write_str("~"),
            Label::Numbered(number) => write!(f, "#{number}"),
            Label::Named(name) if is_plain(name) => f.write_str(name),
            Label::Named(name) => {
                f.write_str("'")?;
                for c in name.chars() {
                    match c {
                        '\'' | '\\' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        _ => write!(f, "{c}")?,
                    }
                }
                f.write_str("'")
            }
        }
    }
}

/// The names of the green threads of one execution that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<(u64, Box<str>)>);

impl Names {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, number: u64, name: &str) {
        self.0.push((number, name.into()));
    }

    fn get(&self, number: u64) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| *other == number)?;
        Some(&found.1)
    }

    /// Returns `true` if the green thread has this name, or this default name.
    fn is(&self, number: u64, name: &str) -> bool {
        match self.get(number) {
            Some(known) => known == name,
            None => letters(number) == name,
        }
    }

    /// Returns the label of a green thread: its number if another thread has the same name.
    pub(super) fn label(&self, number: u64) -> Label {
        if number == CLOCK {
            return Label::Clock;
        }
        let name = self.get(number).map_or_else(|| default_name(number), Name::from);
        let is_taken = self.0.iter().any(|(other, taken)| *other != number && **taken == *name)
            || (self.get(number).is_some()
                && number_of(&name)
                    .is_some_and(|other| other != number && self.get(other).is_none()));
        if is_taken { Label::Numbered(number) } else { Label::Named(name) }
    }
}

/// Returns the [letters](letters()) of a green thread, without an allocation for a single letter.
fn default_name(number: u64) -> Name {
    match u8::try_from(number) {
        Ok(number @ 2..28) => {
            Name::from(&*char::from(b'A' + (number - 2)).encode_utf8(&mut [0; 4]))
        }
        _ => Name::from(&*letters(number)),
    }
}

/// Returns the number of the green thread that has `name` as its default name.
fn number_of(name: &str) -> Option<u64> {
    if name == "main" {
        return Some(1);
    }
    let is_short = name.len() <= 6 && !name.is_empty();
    let all = is_short && name.bytes().all(|byte| byte.is_ascii_uppercase());
    all.then(|| name.bytes().fold(0, |number, byte| number * 26 + u64::from(byte - b'A') + 1) + 1)
}

/// Returns `true` if a name needs no quotes with this character.
pub(super) fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '-'
}

/// Returns `true` if the name needs no quotes.
fn is_plain(name: &str) -> bool {
    name.chars().all(is_letter) && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_names_and_numbers_correspond() {
        for (number, name) in [(1, "main"), (2, "A"), (27, "Z"), (28, "AA"), (53, "AZ"), (54, "BA")]
        {
            assert_eq!(letters(number), name);
            assert_eq!(number_of(name), Some(number));
        }
        for number in 2..2_000 {
            assert_eq!(number_of(&letters(number)), Some(number));
            assert_eq!(*default_name(number), letters(number));
        }
        assert_eq!(number_of("a"), None);
        assert_eq!(number_of(""), None);
    }

    #[test]
    fn threads_of_one_name_are_labelled_by_number() {
        let mut names = Names::default();
        for (number, name) in [(2, "worker"), (3, "worker"), (4, "A"), (5, "E"), (6, "1st")] {
            names.add(number, name);
        }
        let labels = [1, 2, 3, 4, 5, 6, 7].map(|number| names.label(number).to_string());
        assert_eq!(labels, ["main", "#2", "#3", "A", "E", "'1st'", "F"]);
        assert!(names.is(7, "F") && names.is(5, "E") && !names.is(5, "D"));
    }
}
