//! Warming: prefetches the stacks of the green threads that run next.
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

#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::arch;
use crate::kernel::control_block::ControlBlock;
use crate::kernel::run_queue::Runnable;
use crate::kernel::scheduler::{SWITCHES_BETWEEN_POLLS, Scheduler};

/// With fewer threads than this in the run queue, their stacks are in the cache.
const COLD_LENGTH: usize = 4096;

/// Where in the run queue threads are that a timer has woken: positions, as
/// [`RunQueue::entries`](crate::kernel::run_queue::RunQueue::entries) has them. It is a hint: between
/// two such threads there may be others.
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

impl Scheduler {
    /// Prefetches for the next threads, once in many switches.
    #[inline]
    pub(crate) fn warm_sometimes(&self) {
        if self.queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            self.warm_next();
        }
    }

    /// Prefetches for the threads that run until the next call, where they are cold.
    #[cold]
    #[inline(never)]
    pub(crate) fn warm_next(&self) {
        let Some((head, next)) = self.queue.entries().next() else { return };
        let have_not_begun = self.queue.len() >= COLD_LENGTH && has_not_begun(next);
        if !have_not_begun && self.cold.is_over(head) {
            return;
        }
        for (position, runnable) in self.queue.entries().take(SWITCHES_BETWEEN_POLLS) {
            if has_not_begun(runnable) {
                warm_new(runnable);
            } else if self.cold.contains(position) {
                warm_suspended(runnable);
            }
        }
    }

    /// TimerHeap have woken all threads in the run queue from the position `start` on.
    pub(crate) fn note_woken_by_timers(&self, start: usize) {
        if self.queue.len() >= COLD_LENGTH
            && let Some((head, _)) = self.queue.entries().next()
        {
            self.cold.add(head, start, self.queue.end());
        }
    }
}

/// Returns `true` if the thread has never run: its first context is right below its
/// control block.
fn has_not_begun(Runnable { context, control }: Runnable) -> bool {
    control.addr().wrapping_sub(context.addr()) == size_of::<arch::Saved>()
}

/// Prefetches for a thread that has not begun: its control block and closure, and where
/// its first frames come to be.
fn warm_new(Runnable { context, .. }: Runnable) {
    arch::prefetch_lines(context.cast(), -8..4);
}

/// Prefetches for a suspended thread: its frames, its control block with the header of
/// the stack above, and the tripwire, which is at the lower end of this page as a rule.
fn warm_suspended(Runnable { context, control }: Runnable) {
    const SMALLEST_PAGE_BYTES: usize = 4096;
    arch::prefetch_lines(context.cast(), -3..4);
    arch::prefetch_lines(control.cast(), -2..3);
    arch::prefetch(context.cast::<u8>().map_addr(|address| address & !(SMALLEST_PAGE_BYTES - 1)));
}

/// Prefetches what a wake reads and writes of a control block.
pub(crate) fn warm_control(control: *const ControlBlock) {
    arch::prefetch_lines(control.cast(), 0..2);
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
