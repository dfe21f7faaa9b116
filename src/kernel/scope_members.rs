//! What the green threads of a scope share, in the frame that waits for them.

#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::kernel::wait_queue::WaitQueue;

pub(crate) struct ScopeMembers {
    running: Cell<usize>,
    /// The number of the first green thread that was spawned in it, in a run that
    /// somebody directs; by that it is known.
    pub(crate) first: Cell<u64>,
    pub(crate) waiter: WaitQueue<()>,
    /// How many have panicked without anybody learning of it from `join`.
    unseen_panics: Cell<usize>,
}

impl ScopeMembers {
    pub(crate) const fn new() -> ScopeMembers {
        ScopeMembers {
            running: Cell::new(0),
            first: Cell::new(0),
            waiter: WaitQueue::new(),
            unseen_panics: Cell::new(0),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.get() > 0
    }

    pub(crate) fn one_started(&self) {
        self.running.set(self.running.get() + 1);
    }

    #[inline(always)]
    pub(crate) fn one_ended(&self, panicked: bool) {
        if panicked {
            self.unseen_panics.set(self.unseen_panics.get() + 1);
        }
        self.running.set(self.running.get() - 1);
        if self.running.get() == 0 {
            self.waiter.wake_one();
        }
    }

    /// Somebody has learnt of a panic from `join`.
    pub(crate) fn panic_seen(&self) {
        self.unseen_panics.set(self.unseen_panics.get() - 1);
    }

    pub(crate) fn has_unseen_panics(&self) -> bool {
        self.unseen_panics.get() > 0
    }
}
