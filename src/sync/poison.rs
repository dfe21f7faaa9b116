//! The poison flag of a lock, which a panic of its holder sets.

use std::cell::Cell;

use super::{LockResult, PoisonError};
use crate::access::{Access, Accessed, Observed, Reported, also, note};
use crate::kernel::is_panicking;

/// What a lock knows besides its holder, as bits. The methods below are the only access to
/// the poison flag, and each reports it.
pub(super) struct Poison(Cell<u8>);

/// The lock was released in the middle of a panic.
const POISONED: u8 = 1;
/// An operation on the lock was reported, so that later ones have to be reported as well.
/// The bit is here so that the destructor of a guard reads one byte of the lock, and a guard
/// carries nothing for it.
const REPORTED: u8 = 2;

/// Whether the thread was unwinding already when it acquired the lock. Then a destructor
/// holds the lock, and its end is no failure.
#[derive(Clone, Copy)]
pub(super) struct Unwinding(bool);

impl Poison {
    /// Returns the flag of a lock that is not poisoned.
    pub(super) const fn new() -> Poison {
        Poison(Cell::new(0))
    }

    /// Begins an operation on the lock that may wait; see [`Observed::begin`].
    #[inline(always)]
    #[track_caller]
    pub(super) fn begin<'a, S>(
        &self,
        lock: &'a Observed<S>,
        access: Access,
        verb: &'static str,
    ) -> (Accessed<'a, S>, Reported) {
        lock.begin_recorded(access, verb, || self.add(REPORTED))
    }

    /// Records that an operation was reported.
    #[inline(always)]
    pub(super) fn mark<'a, S>(
        &self,
        (lock, reported): (Accessed<'a, S>, Reported),
    ) -> (Accessed<'a, S>, Reported) {
        if reported.is_some() {
            self.add(REPORTED);
        }
        (lock, reported)
    }

    /// Sets a bit.
    fn add(&self, bit: u8) {
        self.0.set(self.0.get() | bit);
    }

    /// Returns `true` if the lock is poisoned.
    #[track_caller]
    pub(super) fn is_set<S>(&self, lock: &Observed<S>) -> bool {
        note(lock.poison_object(), Access::Read, "look at the poison of");
        self.0.get() & POISONED != 0
    }

    /// Clears the flag.
    #[track_caller]
    pub(super) fn clear<S>(&self, lock: &Observed<S>) {
        note(lock.poison_object(), Access::Write, "clear the poison of");
        self.0.set(self.0.get() & !POISONED);
    }

    /// Returns the result of acquiring the lock: the guard, in an error if the lock is
    /// poisoned.
    #[inline(always)]
    pub(super) fn result<S, G>(
        &self,
        lock: &Observed<S>,
        guard: impl FnOnce() -> G,
    ) -> LockResult<G> {
        // Before the guard exists, which would have to be dropped if this unwound.
        let is_poisoned = self.0.get() != 0 && self.is_set_for_holder(lock);
        let guard = guard();
        if is_poisoned { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }

    /// Returns `true` if the lock is poisoned, as part of acquiring it.
    #[cold]
    #[inline(never)]
    fn is_set_for_holder<S>(&self, lock: &Observed<S>) -> bool {
        if self.0.get() & REPORTED != 0 {
            also(lock.poison_object(), Access::Read);
        }
        self.0.get() & POISONED != 0
    }

    /// Returns `true` if dropping a guard only has to release the lock.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.0.get() & REPORTED == 0 && !std::thread::panicking()
    }

    /// Reports the release of the lock by a guard, where it is not
    /// [plain](Poison::is_plain). Poisons the lock in the middle of a panic.
    pub(super) fn released<'a, S>(
        &self,
        before: Unwinding,
        lock: &'a Observed<S>,
        verb: &'static str,
    ) -> Accessed<'a, S> {
        let released = if self.0.get() & REPORTED != 0 {
            lock.note_where_held(Access::Write, verb)
        } else {
            lock.unreported("the lock was acquired in a run without reports")
        };
        // mistake: poisoned-by-other-panic
        if is_panicking() && !before.0 {
            also(lock.poison_object(), Access::Write);
            self.add(POISONED);
        }
        released
    }
}

impl Unwinding {
    /// Returns whether the current thread is unwinding.
    #[inline(always)]
    pub(super) fn now() -> Unwinding {
        Unwinding(is_panicking())
    }
}
