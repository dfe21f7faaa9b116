//! The dependence relation: the objects that steps use, and whether the order of two steps makes
//! a difference.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::access::Access;
use crate::explore::ATOMIC;

/// The object of each step that depends on all others. It conflicts with everything.
pub(super) const ALL: u64 = u64::MAX;

/// An object, and how it is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) object: u64,
    pub(super) access: Access,
}

impl Use {
    pub(super) fn is_await(&self) -> bool {
        self.access == Access::Await
    }
}

/// Returns `true` if the object is an atomic.
pub(super) fn is_atomic(object: u64) -> bool {
    object >> 60 == ATOMIC
}

/// Splits an object into the part that is the same in every execution, and the number of an
/// object that is numbered at its first use.
///
/// An atomic has the number of an earlier one that was at its address, which another execution may
/// give to another one. So atomics of two executions are not told apart.
fn parts(object: u64) -> (u64, Option<u64>) {
    match object >> 60 {
        // mistake: atomics-by-number
        ATOMIC => (ATOMIC, Some(u64::MAX)),
        0 | 7 if object & (1 << 31) == 0 => (object >> 32, Some(object & u64::from(u32::MAX))),
        _ => (object, None),
    }
}

/// Returns the number of objects that have been numbered up to this one.
pub(super) fn numbered(object: u64) -> u64 {
    if is_atomic(object) { 0 } else { parts(object).1.unwrap_or(0) }
}

/// Returns `true` if the order of the two accesses makes a difference.
fn orders(one: Access, other: Access) -> bool {
    use Access::{Await, Commute, Read};
    // mistake: reads-race
    // mistake: commuting-writes
    !matches!((one, other), (Read | Await, Read | Await) | (Commute, Commute))
}

/// Returns `true` if the two accesses could have come in the opposite order. A wait for accesses
/// that commute ends only after all of them.
fn is_race(one: Access, other: Access) -> bool {
    use Access::{Await, Commute};
    // mistake: wait-races
    orders(one, other) && !matches!((one, other), (Commute, Await) | (Await, Commute))
}

/// Adds a use to the uses of a step.
pub(super) fn merge(all: &mut Vec<Use>, new: Use) {
    use Access::{Await, Read};
    match all.iter_mut().find(|known| known.object == new.object) {
        Some(Use { access: access @ (Read | Await), .. })
            if matches!(new.access, Read | Await) && *access != new.access =>
        {
            *access = Read;
        }
        // Two accesses that differ are, together, as strong as a write.
        Some(known) if known.access != new.access => known.access = Access::Write,
        Some(_) => {}
        None => all.push(new),
    }
}

/// Returns `true` if the order of two steps with these uses makes a difference.
///
/// The steps belong to two executions that are the same until `numbered` objects are numbered. Of
/// later objects, only the place of their creation is comparable.
pub(super) fn conflict(one: &[Use], other: &[Use], numbered: u64) -> bool {
    let depends_on_all = |uses: &[Use]| uses.iter().any(|one| one.object == ALL);
    let is_same = |one: u64, other: u64| {
        let ((place, number), (other_place, other_number)) = (parts(one), parts(other));
        let is_new = |number: Option<u64>| number.is_some_and(|number| number > numbered);
        // mistake: new-objects-by-number
        place == other_place && (number == other_number || (is_new(number) && is_new(other_number)))
    };
    let conflicts = |one: Use, other: Use| {
        orders(one.access, other.access) && is_same(one.object, other.object)
    };
    depends_on_all(one)
        || depends_on_all(other)
        || one.iter().any(|&one| other.iter().any(|&other| conflicts(one, other)))
}

/// Returns `true` if `one` contains all uses of `other`, a step of another execution, with
/// accesses that are at least as strong. For `numbered`, see [`conflict`].
pub(super) fn covers(one: &[Use], other: &[Use], numbered: u64) -> bool {
    other.iter().all(|other| {
        let is_new = parts(other.object).1.is_some_and(|number| number > numbered);
        let covers = |one: &Use| {
            let is_as_strong = one.access == other.access || one.access == Access::Write;
            one.object == other.object && is_as_strong
        };
        !is_new && one.iter().any(covers)
    })
}

/// The events of an execution that have used each object.
///
/// The events of one green thread happen one after the other. So of those that use an object in one
/// way, the last one stands for all: a step has as many candidates as there are threads, however
/// long the execution is.
#[derive(Default)]
pub(super) struct History {
    events: HashMap<u64, Vec<Past>, BuildHasherDefault<NumberHasher>>,
    /// The events that depend on everything.
    of_all: Vec<usize>,
}

/// The events of one green thread that have used an object in one way.
struct Past {
    thread: u64,
    way: Way,
    events: Vec<(usize, Access)>,
}

/// A kind of access. Of two accesses of one kind the order does not matter, except of writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Reads,
    Commutes,
    Writes,
}

impl Way {
    fn of(access: Access) -> Way {
        match access {
            Access::Read | Access::Look | Access::Await => Way::Reads,
            Access::Commute => Way::Commutes,
            Access::Write => Way::Writes,
        }
    }
}

/// An earlier event that conflicts with a later one.
pub(super) struct Candidate {
    pub(super) event: usize,
    pub(super) is_race: bool,
}

impl History {
    /// Removes all events from this one on.
    pub(super) fn keep(&mut self, kept: usize) {
        // Objects have the same numbers in the next execution.
        for past in self.events.values_mut().flatten() {
            while past.events.pop_if(|(event, _)| *event >= kept).is_some() {}
        }
        while self.of_all.pop_if(|event| *event >= kept).is_some() {}
    }

    /// Adds the uses of an event of `thread`.
    pub(super) fn add(&mut self, event: usize, thread: u64, uses: &[Use]) {
        for &Use { object, access } in uses {
            if object == ALL {
                self.of_all.push(event);
                continue;
            }
            let way = Way::of(access);
            let pasts = self.events.entry(object).or_default();
            match pasts.iter_mut().find(|past| past.thread == thread && past.way == way) {
                Some(past) => past.events.push((event, access)),
                None => pasts.push(Past { thread, way, events: vec![(event, access)] }),
            }
        }
    }

    /// Fills `found` with earlier events that conflict with these uses, or happen before one that
    /// does: for each object, back to its last write, the last event of each green thread in each
    /// way. `last` has the last event of each green thread.
    pub(super) fn conflicting(
        &self,
        uses: &[Use],
        last: &[Option<usize>],
        found: &mut Vec<Candidate>,
    ) {
        found.clear();
        let of_all = |&event: &usize| Candidate { event, is_race: true };
        if uses.iter().any(|one| one.object == ALL) {
            return found.extend(last.iter().flatten().map(of_all));
        }
        // It happens after all events before it.
        found.extend(self.of_all.last().map(of_all));
        for one in uses {
            let pasts = self.events.get(&one.object).into_iter().flatten();
            let ends = pasts.filter_map(|past| Some((past.way, *past.events.last()?)));
            let writes = ends.clone().filter(|(way, _)| *way == Way::Writes);
            // mistake: last-use-only
            let written = writes.map(|(_, (event, _))| event).max();
            for (_, (event, access)) in ends {
                if orders(access, one.access) && written.is_none_or(|write| write <= event) {
                    found.push(Candidate { event, is_race: is_race(access, one.access) });
                }
            }
        }
    }
}

/// A hasher for the numbers of objects, which need no strong hash.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
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
