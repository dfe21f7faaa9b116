//! Prefetches the stacks of the green threads that run next.
//!
//! Where many thousand threads are ready, what each of them touches first is in main
//! memory: the frames that the switch returns to, the control block, the header and the
//! tripwire of the stack. One miss after the other took most of the 1,500 ns that a
//! sleeper took among 100,000; prefetched 64 threads at a time, the misses overlap.
//!
//! A thread that only yields touches one line or two, and the processor overlaps those
//! misses by itself: there a prefetch costs more than it gains (among 10,000 a yield took
//! 13 ns in place of 8). So only two kinds are prefetched: threads that have not begun,
//! and threads that a timer has woken.

use std::cell::Cell;

use crate::arch;
use crate::kernel::features::SchedulerState;
use crate::kernel::run_queue::Runnable;
use crate::kernel::slow_path::SWITCHES_BETWEEN_POLLS;
use crate::kernel::{Scheduler, ThreadRef};

/// The number of threads in the run queue from which on their stacks are not in the cache.
const COLD_LENGTH: usize = 4096;

/// The positions in the run queue of threads that a timer has woken, as
/// [`RunQueue::entries`](crate::kernel::run_queue::RunQueue::entries) counts them. It is a hint:
/// other threads may lie between.
#[derive(Default)]
pub(crate) struct Cold {
    start: Cell<usize>,
    end: Cell<usize>,
}

impl Cold {
    /// Adds the positions from `start` up to `end`. The next thread to run is at `head`.
    fn add(&self, head: usize, start: usize, end: usize) {
        // Where all earlier threads have run, only the new ones count: one timer now and
        // then must not make all threads between two of its wakes cold.
        if self.is_over(head) {
            self.start.set(start);
        }
        self.end.set(end);
    }

    /// Returns `true` if all of these threads have been popped.
    fn is_over(&self, head: usize) -> bool {
        self.end.get() <= head
    }

    fn contains(&self, position: usize) -> bool {
        (self.start.get()..self.end.get()).contains(&position)
    }
}

// SAFETY: no other type has slot 9, and every scheduler gets such a state.
unsafe impl SchedulerState for Cold {
    const SLOT: usize = 9;
}

/// Prefetches for the threads that run until the next poll, where they are cold.
pub(crate) fn next_threads(scheduler: &Scheduler) {
    let (queue, cold) = (scheduler.queue(), scheduler.state::<Cold>());
    let Some((head, next)) = queue.entries().next() else { return };
    let have_not_begun = queue.len() >= COLD_LENGTH && has_not_begun(next);
    if !have_not_begun && cold.is_over(head) {
        return;
    }
    for (position, runnable) in queue.entries().take(SWITCHES_BETWEEN_POLLS) {
        if has_not_begun(runnable) {
            new_thread(runnable);
        } else if cold.contains(position) {
            suspended_thread(runnable);
        }
    }
}

/// Notes that timers have woken all threads in the run queue from the position `start` on.
pub(super) fn note_woken_by_timers(scheduler: &Scheduler, start: usize) {
    let queue = scheduler.queue();
    if queue.len() >= COLD_LENGTH
        && let Some((head, _)) = queue.entries().next()
    {
        scheduler.state::<Cold>().add(head, start, queue.end());
    }
}

/// Returns `true` if the thread has never run: its first context is right below its
/// control block.
fn has_not_begun(runnable: Runnable) -> bool {
    runnable.control().addr().wrapping_sub(runnable.context().addr()) == size_of::<arch::Saved>()
}

/// Prefetches for a thread that has not begun: its control block and closure, and where
/// its first frames come to be.
fn new_thread(runnable: Runnable) {
    arch::prefetch_lines(runnable.context().cast(), -8..4);
}

/// Prefetches for a suspended thread: its frames, its control block with the header of
/// the stack above, and the tripwire, which is at the lower end of this page as a rule.
fn suspended_thread(runnable: Runnable) {
    const SMALLEST_PAGE_BYTES: usize = 4096;
    let context = runnable.context();
    arch::prefetch_lines(context.cast(), -3..4);
    arch::prefetch_lines(runnable.control().cast(), -2..3);
    arch::prefetch(context.cast::<u8>().map_addr(|address| address & !(SMALLEST_PAGE_BYTES - 1)));
}

/// Prefetches what a wake reads and writes of a control block.
pub(super) fn control_block(thread: ThreadRef) {
    arch::prefetch_lines(thread.address().cast(), 0..2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cold(from: &Cold) -> Vec<usize> {
        (0..100).filter(|&position| from.contains(position)).collect()
    }

    #[test]
    fn nothing_is_cold_before_a_timer_fires() {
        let none = Cold::default();
        assert!(none.is_over(0));
        assert_eq!(cold(&none), []);
    }

    #[test]
    fn threads_woken_by_timers_in_a_row_are_all_cold() {
        let woken = Cold::default();
        woken.add(3, 10, 12);
        woken.add(5, 12, 15);
        assert_eq!(cold(&woken), [10, 11, 12, 13, 14]);
        assert!(!woken.is_over(14));
        assert!(woken.is_over(15));
    }

    #[test]
    fn threads_between_two_distant_wakes_are_not_cold() {
        let woken = Cold::default();
        woken.add(3, 10, 11);
        woken.add(11, 50, 51);
        assert_eq!(cold(&woken), [50]);
    }
}
