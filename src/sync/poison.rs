//! Who panics while holding a lock leaves a mark on it.

use std::cell::Cell;

use super::{LockResult, PoisonError};
use crate::access::{Access, Object, Told, also, is_eventful, note, note_at, operation};
use crate::kernel::{Resource, is_panicking};

/// What is known of a lock besides who holds it, as bits.
pub(super) struct Poison(Cell<u8>);

/// Somebody has left it in the middle of a panic.
const POISONED: u8 = 1;
/// Somebody has been told of an operation on it, and is to be told of others. It is
/// here so that the destructor of a guard finds out with one look at the lock, and
/// an ordinary guard carries nothing for it.
const TOLD: u8 = 2;

/// Was the green thread unwinding already when it won the lock? Then it is a
/// destructor that holds it, and its end is no failure.
#[derive(Clone, Copy)]
pub(super) struct Unwinding(bool);

impl Poison {
    pub(super) const fn new() -> Poison {
        Poison(Cell::new(0))
    }

    /// An operation begins that waits; see [`operation`].
    #[inline(always)]
    #[track_caller]
    pub(super) fn begin(&self, resource: &Resource, access: Access, verb: &'static str) -> Told {
        if is_eventful() { self.begin_rarely(resource, access, verb) } else { None }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn begin_rarely(&self, resource: &Resource, access: Access, verb: &'static str) -> Told {
        self.set_told(operation(Object::Resource(resource), access, verb))
    }

    /// To be called before an operation begins, with what telling of it gives.
    #[inline(always)]
    pub(super) fn set_told(&self, told: Told) -> Told {
        if told.is_some() {
            self.add(TOLD);
        }
        told
    }

    fn add(&self, bit: u8) {
        self.0.set(self.0.get() | bit);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.get() & POISONED != 0
    }

    /// Is the lock poisoned whose resource this is?
    #[track_caller]
    pub(super) fn look(&self, resource: &Resource) -> bool {
        note(Object::Poison(resource), Access::Read, "look at the poison of");
        self.is_set()
    }

    #[track_caller]
    pub(super) fn clear(&self, resource: &Resource) {
        note(Object::Poison(resource), Access::Write, "clear the poison of");
        self.0.set(self.0.get() & !POISONED);
    }

    /// What a lock gives to one who has won it.
    #[inline(always)]
    pub(super) fn result<G>(
        &self,
        resource: &Resource,
        guard: impl FnOnce() -> G,
    ) -> LockResult<G> {
        // Before there is a guard, which would have to be dropped if this unwound.
        let is_poisoned = self.0.get() != 0 && self.is_found_by_winner(resource);
        let guard = guard();
        if is_poisoned { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }

    #[cold]
    #[inline(never)]
    fn is_found_by_winner(&self, resource: &Resource) -> bool {
        if self.0.get() & TOLD != 0 {
            also(Object::Poison(resource), Access::Read);
        }
        self.is_set()
    }

    /// Is there nothing to be done when a guard is dropped but to release the lock?
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.0.get() & TOLD == 0 && !std::thread::panicking()
    }

    /// The lock is about to be released, and that is not [plain](Poison::is_plain).
    pub(super) fn released(&self, before: Unwinding, resource: &Resource, verb: &'static str) {
        if self.0.get() & TOLD != 0 {
            let at = resource.holder().map_or(resource.made_at(), |holder| holder.at);
            note_at(Object::Resource(resource), Access::Write, verb, at);
        }
        if is_panicking() && !before.0 {
            also(Object::Poison(resource), Access::Write);
            self.add(POISONED);
        }
    }
}

impl Unwinding {
    #[inline(always)]
    pub(super) fn now() -> Unwinding {
        Unwinding(is_panicking())
    }
}
