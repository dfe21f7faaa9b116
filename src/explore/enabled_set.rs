//! The threads that a controller chooses among.

use crate::kernel::ControlBlock;
use crate::kernel::run_queue::{NEAR, RunQueue, Runnable};

/// Among the threads of an enabled set: the passing of time to the next deadline.
pub(crate) const CLOCK: u64 = 0;

/// The threads that can run, in the order in which they became ready. A thread that yields is the
/// last. After it, perhaps [`CLOCK`].
pub(crate) struct EnabledSet<'a> {
    queue: &'a RunQueue,
    /// The queue's count of pops. It is read once, since the compiler may not join two loads of
    /// an atomic.
    head: usize,
    queued: usize,
    yields: Option<&'a ControlBlock>,
    count: usize,
}

impl<'a> EnabledSet<'a> {
    #[inline(always)]
    pub(super) fn new(
        queue: &'a RunQueue,
        yields: Option<&'a ControlBlock>,
        clock: bool,
    ) -> EnabledSet<'a> {
        let head = queue.head();
        let queued = queue.len_after(head);
        let count = queued + usize::from(yields.is_some()) + usize::from(clock);
        EnabledSet { queue, head, queued, yields, count }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Returns the number of the thread at a place, which is less than `len`.
    #[inline(always)]
    pub(crate) fn number(&self, place: usize) -> u64 {
        match self.yields {
            // SAFETY: the queue has an entry at the place, and a thread in the run queue has a
            // control block.
            _ if place < self.queued => unsafe {
                (*self.queue.control_after(self.head, place)).number()
            },
            Some(control) if place == self.queued => control.number(),
            _ => CLOCK,
        }
    }

    /// Returns the place of the first thread that has become enabled since the run queue's count of
    /// pushes was `end`, and the count of now. A thread that yields is pushed after the choice.
    pub(crate) fn places_since(&self, end: Option<usize>) -> (usize, usize) {
        let pushed = end.map_or(self.queued, |end| self.queue.len_after(end));
        (self.queued.saturating_sub(pushed), self.queue.end())
    }

    /// Removes the thread at a place from the run queue. Returns `None` if the thread at the
    /// place is not in the queue.
    #[inline(always)]
    pub(super) fn take(&self, place: usize) -> Option<Runnable> {
        // SAFETY: tested. The head has not changed, since the set borrows the queue and every
        // choice makes a new set.
        (place < self.queued).then(|| unsafe { self.queue.take_after(self.head, place) })
    }

    /// Removes a thread as [`EnabledSet::take`] does. Faster if it is far behind the first one, and
    /// slower if it is not.
    #[inline(always)]
    pub(super) fn take_far(&self, place: usize) -> Option<Runnable> {
        if place <= NEAR {
            return self.take(place);
        }
        // SAFETY: as in `take`.
        (place < self.queued).then(|| unsafe { self.queue.take_far_after(self.head, place) })
    }

    /// Returns `true` if the place is that of [`CLOCK`], in a set without a yielding thread.
    pub(super) fn is_clock(&self, place: usize) -> bool {
        self.yields.is_none() && place == self.queued
    }
}
