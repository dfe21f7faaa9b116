//! The claims of readers and writers to a lock, and how they are granted.

use std::cell::Cell;

use crate::access::Accessed;
use crate::kernel::{Holder, WaitQueue};

/// The lock itself. Its [holder](Accessed::holder) is the writer; there is none if no thread
/// writes.
pub(super) struct Lock {
    pub(super) waiting: WaitQueue<Claim>,
    readers: Cell<usize>,
}

impl Lock {
    /// Returns a lock that is free.
    pub(super) const fn new() -> Lock {
        Lock { waiting: WaitQueue::new(), readers: Cell::new(0) }
    }
}

/// What a thread waits for.
#[derive(Clone, Copy)]
pub(super) enum Claim {
    Read,
    /// With the holder that the thread will be.
    Write(Holder),
}

/// Returns `true` if the claim could be granted provided that no thread waits.
#[inline(always)]
fn is_free_for(lock: &Accessed<'_, Lock>, claim: Claim) -> bool {
    lock.holder().is_none() && (matches!(claim, Claim::Read) || lock.readers.get() == 0)
}

/// Grants the claim.
#[inline(always)]
pub(super) fn hold(lock: &Accessed<'_, Lock>, claim: Claim) {
    match claim {
        Claim::Read => lock.readers.set(lock.readers.get() + 1),
        Claim::Write(holder) => lock.set_holder(Some(holder)),
    }
}

/// Grants the claim if the lock is free for it, and returns `true` then.
#[inline(always)]
pub(super) fn try_hold(lock: &Accessed<'_, Lock>, claim: Claim) -> bool {
    let no_thread_waits = lock.waiting.is_clear() || lock.waiting.is_empty();
    // mistake: reader-overtakes
    let is_free = is_free_for(lock, claim) && no_thread_waits;
    if is_free {
        hold(lock, claim);
    }
    is_free
}

/// Releases the lock after reading.
#[inline(always)]
pub(super) fn release_read(lock: Accessed<'_, Lock>) {
    lock.readers.set(lock.readers.get() - 1);
    released(lock);
}

/// Releases the lock after writing.
#[inline(always)]
pub(super) fn release_write(lock: Accessed<'_, Lock>) {
    lock.set_holder(None);
    released(lock);
}

/// Grants waiting claims after a release.
#[inline(always)]
fn released(lock: Accessed<'_, Lock>) {
    if !lock.waiting.is_clear() {
        admit(lock);
    }
}

/// Grants claims to the threads that have waited longest, as far as that is possible.
#[inline(never)]
pub(super) fn admit(lock: Accessed<'_, Lock>) {
    while let Some(claim) = lock.waiting.peek()
        && is_free_for(&lock, claim)
    {
        hold(&lock, claim);
        lock.waiting.take();
    }
}
