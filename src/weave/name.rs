//! The name of a green thread in a schedule.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// The length of the longest name that needs no allocation.
const SHORT_BYTES: usize = 14;

/// A name, stored inline if it is short. A schedule has a name for each choice, most of them a
/// letter, and an allocation for each took more time than the rest of the schedule.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// The bytes after the name are zero, so that equal names are equal values.
    Short {
        length: u8,
        bytes: [u8; SHORT_BYTES],
    },
    Long(Box<str>),
}

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        if name.len() > SHORT_BYTES {
            return Name::Long(name.into());
        }
        let mut bytes = [0; SHORT_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Name::Short { length: name.len() as u8, bytes }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Name::Short { length, bytes } => str::from_utf8(&bytes[..usize::from(*length)])
                .expect("the bytes are those of a str"),
            Name::Long(name) => name,
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Orders names by their text, whether or not it is stored inline.
impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_name_equals_its_text() {
        let texts =
            ["", "A", "B", "worker", "fourteen bytes", "fifteen bytes!!", "Übergrößenträger", "é"];
        for one in texts {
            let name = Name::from(one);
            assert_eq!((&*name, format!("{name:?}")), (one, format!("{one:?}")));
            assert_eq!(matches!(name, Name::Short { .. }), one.len() <= SHORT_BYTES);
            for other in texts {
                let other_name = Name::from(other);
                assert_eq!(name == other_name, one == other);
                assert_eq!(name.cmp(&other_name), one.cmp(other));
            }
        }
    }
}
