//! What steps use, and when that makes a difference to their order.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::access::Access;

/// An object of which every step that depends on all others uses, and which
/// conflicts with everything.
const ALL: u64 = u64::MAX;

/// One object, and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) object: u64,
    pub(super) access: Access,
}

impl Used {
    pub(super) fn is_await(&self) -> bool {
        self.access == Access::Await
    }
}

/// What is the same in every execution of what tells an object from others; and,
/// for one that is numbered when it is used first, that number.
fn parts(object: u64) -> (u64, Option<u64>) {
    match object >> 60 {
        0 | 7 if object & (1 << 31) == 0 => (object >> 32, Some(object & u64::from(u32::MAX))),
        _ => (object, None),
    }
}

/// How many objects have been numbered, given that this one has.
pub(super) fn numbered(object: u64) -> u64 {
    parts(object).1.unwrap_or(0)
}

/// Does the order of the two make a difference?
fn orders(one: Access, other: Access) -> bool {
    use Access::{Await, Commute, Read};
    !matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))
}

/// Could the two have come in the other order? A wait for all that commute is
/// over only after them.
fn is_race(one: Access, other: Access) -> bool {
    use Access::{Await, Commute};
    orders(one, other) && !matches!((one, other), (Commute, Await) | (Await, Commute))
}

/// Adds a use to those of a step.
pub(super) fn merge(all: &mut Vec<Used>, new: Used) {
    use Access::{Await, Read};
    match all.iter_mut().find(|used| used.object == new.object) {
        Some(Used { access: access @ (Read | Await), .. })
            if matches!(new.access, Read | Await) && *access != new.access =>
        {
            *access = Read;
        }
        // Two uses that differ are, together, as if written.
        Some(used) if used.access != new.access => used.access = Access::Write,
        Some(_) => {}
        None => all.push(new),
    }
}

/// Does the order of two steps that use these make a difference? They are steps of
/// two executions that have been the same until so many objects were `numbered`:
/// of others it is only known where they were made.
pub(super) fn conflict(one: &[Used], other: &[Used], numbered: u64) -> bool {
    let depends_on_all = |all: &[Used]| all.iter().any(|used| used.object == ALL);
    let is_same = |one: u64, other: u64| {
        let ((place, number), (other_place, other_number)) = (parts(one), parts(other));
        let is_new = |number: Option<u64>| number.is_some_and(|number| number > numbered);
        place == other_place && (number == other_number || (is_new(number) && is_new(other_number)))
    };
    let conflicts = |one: Used, other: Used| {
        orders(one.access, other.access) && is_same(one.object, other.object)
    };
    depends_on_all(one)
        || depends_on_all(other)
        || one.iter().any(|&used| other.iter().any(|&other| conflicts(used, other)))
}

/// Has a step used all that one of another execution has, and in the same way? For
/// `numbered`, see [`conflict`].
pub(super) fn covers(one: &[Used], other: &[Used], numbered: u64) -> bool {
    other.iter().all(|other| {
        let is_new = parts(other.object).1.is_some_and(|number| number > numbered);
        let covers = |used: &Used| {
            let is_as_strong = used.access == other.access || used.access == Access::Write;
            used.object == other.object && is_as_strong
        };
        !is_new && one.iter().any(covers)
    })
}

/// Which events of an execution have used which objects.
#[derive(Default)]
pub(super) struct History {
    of: HashMap<u64, Vec<(usize, Access)>, BuildHasherDefault<Numbers>>,
    /// Those that depend on everything.
    of_all: Vec<usize>,
}

/// An earlier event that conflicts with one.
pub(super) struct Candidate {
    pub(super) event: usize,
    pub(super) is_race: bool,
}

impl History {
    /// Forgets all events from this one on.
    pub(super) fn keep(&mut self, kept: usize) {
        // Objects have the same numbers in the next execution.
        for of in self.of.values_mut() {
            let place = of.partition_point(|&(event, _)| event < kept);
            of.truncate(place);
        }
        self.of_all.truncate(self.of_all.partition_point(|&event| event < kept));
    }

    pub(super) fn add(&mut self, event: usize, used: &[Used]) {
        for used in used {
            if used.object == ALL {
                self.of_all.push(event);
            } else {
                self.of.entry(used.object).or_default().push((event, used.access));
            }
        }
    }

    /// Puts the events before `index` that conflict with these uses into `found`; of
    /// each object, back to its last write.
    pub(super) fn conflicting(&self, index: usize, used: &[Used], found: &mut Vec<Candidate>) {
        found.clear();
        if used.iter().any(|used| used.object == ALL) {
            return found.extend((0..index).map(|event| Candidate { event, is_race: true }));
        }
        found.extend(self.of_all.iter().map(|&event| Candidate { event, is_race: true }));
        for used in used {
            for &(event, access) in self.of.get(&used.object).into_iter().flatten().rev() {
                if orders(access, used.access) {
                    found.push(Candidate { event, is_race: is_race(access, used.access) });
                }
                if access == Access::Write {
                    break;
                }
            }
        }
    }
}

/// Objects are told from each other by numbers, which need no strong hash.
#[derive(Default)]
struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}
