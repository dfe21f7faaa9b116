//! Who panics while holding a lock leaves a mark on it.

use std::cell::Cell;

use super::{LockResult, PoisonError};
use crate::runtime::is_panicking;

/// The mark.
pub(super) struct Poison(Cell<bool>);

/// Was the green thread unwinding already when it won the lock? Then it is a
/// destructor that holds it, and its end is no failure.
#[derive(Clone, Copy)]
pub(super) struct Unwinding(bool);

impl Poison {
    pub(super) const fn new() -> Poison {
        Poison(Cell::new(false))
    }

    #[inline(always)]
    pub(super) fn is_set(&self) -> bool {
        self.0.get()
    }

    pub(super) fn clear(&self) {
        self.0.set(false);
    }

    /// The lock is released by one who won it when it was `before`.
    #[inline(always)]
    pub(super) fn released(&self, before: Unwinding) {
        if is_panicking() && !before.0 {
            self.0.set(true);
        }
    }

    /// What a lock gives.
    #[inline(always)]
    pub(super) fn result<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

impl Unwinding {
    #[inline(always)]
    pub(super) fn now() -> Unwinding {
        Unwinding(is_panicking())
    }
}
