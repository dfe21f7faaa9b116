//! What green threads are called in schedules and stories.

use super::name::Name;
use super::schedule::Who;
use crate::explore::CLOCK;
use crate::inspect::letters;

/// The names of the green threads of one execution, those that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<(u64, Box<str>)>);

impl Names {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, number: u64, name: &str) {
        self.0.push((number, name.into()));
    }

    fn given(&self, number: u64) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| *other == number)?;
        Some(&found.1)
    }

    /// Is this what the green thread is called?
    pub(super) fn is(&self, number: u64, name: &str) -> bool {
        match self.given(number) {
            Some(given) => given == name,
            None => letters(number) == name,
        }
    }

    /// What it is called: by its number, if another has the same name.
    pub(super) fn who(&self, number: u64) -> Who {
        if number == CLOCK {
            return Who::Clock;
        }
        let name = self.given(number).map_or_else(|| letters_as_name(number), Name::from);
        let is_taken = self.0.iter().any(|(other, given)| *other != number && **given == *name)
            || (self.given(number).is_some()
                && number_of(&name)
                    .is_some_and(|other| other != number && self.given(other).is_none()));
        if is_taken { Who::Numbered(number) } else { Who::Named(name) }
    }

    pub(super) fn label(&self, number: u64) -> String {
        self.who(number).to_string()
    }
}

/// [`letters`], without an allocation where that is a single letter.
fn letters_as_name(number: u64) -> Name {
    match u8::try_from(number) {
        Ok(number @ 2..28) => {
            Name::from(&*char::from(b'A' + (number - 2)).encode_utf8(&mut [0; 4]))
        }
        _ => Name::from(&*letters(number)),
    }
}

/// The number of one that is called so without having a name.
fn number_of(name: &str) -> Option<u64> {
    if name == "main" {
        return Some(1);
    }
    let is_short = name.len() <= 6 && !name.is_empty();
    let all = is_short && name.bytes().all(|byte| byte.is_ascii_uppercase());
    all.then(|| name.bytes().fold(0, |number, byte| number * 26 + u64::from(byte - b'A') + 1) + 1)
}

/// Does the name need no quotes?
pub(super) fn is_plain(name: &str) -> bool {
    let is_word = name.chars().all(|c| c.is_alphabetic() || c == '_' || c == '-');
    is_word && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_numbers_go_with_each_other() {
        for (number, name) in [(1, "main"), (2, "A"), (27, "Z"), (28, "AA"), (53, "AZ"), (54, "BA")]
        {
            assert_eq!(letters(number), name);
            assert_eq!(number_of(name), Some(number));
        }
        for number in 2..2_000 {
            assert_eq!(number_of(&letters(number)), Some(number));
            assert_eq!(*letters_as_name(number), letters(number));
        }
        assert_eq!(number_of("a"), None);
        assert_eq!(number_of(""), None);
    }

    #[test]
    fn two_of_one_name_are_called_by_their_numbers() {
        let mut names = Names::default();
        for (number, name) in [(2, "worker"), (3, "worker"), (4, "A"), (5, "E"), (6, "1st")] {
            names.add(number, name);
        }
        let labels = [1, 2, 3, 4, 5, 6, 7].map(|number| names.label(number));
        assert_eq!(labels, ["main", "#2", "#3", "A", "E", "'1st'", "F"]);
        assert!(names.is(7, "F") && names.is(5, "E") && !names.is(5, "D"));
    }
}
