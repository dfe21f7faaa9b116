//! Who panics while holding a lock leaves a mark on it.

use std::cell::Cell;

use super::{LockResult, PoisonError};
use crate::runtime::{Access, Object, Resource, Told, also, is_panicking, note, note_at};

/// The mark.
pub(super) struct Poison(Cell<bool>);

/// What a guard keeps of the moment at which its lock was won, as bits.
#[derive(Clone, Copy)]
pub(super) struct Won(u8);

/// The green thread was unwinding already: then it is a destructor that holds the
/// lock, and its end is no failure.
const UNWINDING: u8 = 1;
/// Somebody was told of it, and is to be told of the release.
const TOLD: u8 = 2;

impl Poison {
    pub(super) const fn new() -> Poison {
        Poison(Cell::new(false))
    }

    /// Is the lock poisoned whose resource this is?
    #[track_caller]
    pub(super) fn is_set(&self, resource: &Resource) -> bool {
        note(Object::Poison(resource), Access::Read, "look at the poison of");
        self.0.get()
    }

    #[track_caller]
    pub(super) fn clear(&self, resource: &Resource) {
        note(Object::Poison(resource), Access::Write, "clear the poison of");
        self.0.set(false);
    }

    /// The lock is released by one who won it then.
    #[inline(always)]
    pub(super) fn released(&self, won: Won) {
        if is_panicking() && won.0 & UNWINDING == 0 {
            self.0.set(true);
        }
    }

    /// What a lock gives.
    #[inline(always)]
    pub(super) fn result<G>(&self, guard: G) -> LockResult<G> {
        if self.0.get() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

impl Won {
    /// The lock with this resource has just been won, and `told` says whether
    /// somebody was told of that.
    #[inline(always)]
    pub(super) fn now(told: Told, resource: &Resource) -> Won {
        let is_plain = told.is_none() && !std::thread::panicking();
        if is_plain { Won(0) } else { Won::rarely(told, resource) }
    }

    #[cold]
    #[inline(never)]
    fn rarely(told: Told, resource: &Resource) -> Won {
        let unwinding = if is_panicking() { UNWINDING } else { 0 };
        let won = Won(unwinding | if told.is_some() { TOLD } else { 0 });
        won.look(resource);
        won
    }

    #[inline(always)]
    pub(super) fn is_told(self) -> bool {
        self.0 & TOLD != 0
    }

    /// Is there nothing to be done when the guard is dropped but to release the
    /// lock?
    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        self.0 & TOLD == 0 && !std::thread::panicking()
    }

    /// To be called by one who looks whether the lock is poisoned.
    pub(super) fn look(self, resource: &Resource) {
        if self.is_told() {
            look(resource);
        }
    }

    /// To be called before anything is done to release the lock.
    pub(super) fn note_release(self, resource: &Resource, verb: &'static str) {
        if self.is_told() {
            let at = resource.holder().map_or(resource.made_at(), |holder| holder.at);
            note_at(Object::Resource(resource), Access::Write, verb, at);
            if is_panicking() {
                also(Object::Poison(resource), Access::Write);
            }
        }
    }
}

/// As [`Won::look`], by one who has told of its lock.
#[cold]
pub(super) fn look(resource: &Resource) {
    also(Object::Poison(resource), Access::Read);
}
