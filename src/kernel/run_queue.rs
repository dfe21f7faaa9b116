//! The run queue: a ring of saved contexts.
//!
//! An entry holds what a context switch needs, so a yield reads one cache line of the ring.
//! A list through the control blocks would load each block before the next one: among 100
//! green threads a yield took half as long again.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arch::StackPointer;
use crate::kernel::control_block::ControlBlock;

/// A green thread that can run, with the context at which it goes on.
#[derive(Clone, Copy)]
pub(crate) struct Runnable {
    context: StackPointer,
    control: *const ControlBlock,
}

/// A queue: first in, first out. [`RunQueue::make_room`] reserves one entry more than it is
/// asked for, and a push relies on that without a check.
pub(crate) struct RunQueue {
    entries: Cell<*mut Runnable>,
    /// The size of the ring in bytes, a power of two, minus one.
    mask: Cell<usize>,
    /// The count of pops, in bytes of entries, so that a position becomes an address without
    /// a shift.
    ///
    /// It never decreases. Another OS thread may read it to learn whether the running green
    /// thread has let others run, so it is atomic; on its own OS thread each access is a
    /// plain load or store.
    head: AtomicUsize,
    /// The count of pushes, in bytes of entries.
    tail: Cell<usize>,
}

const FIRST_CAPACITY: usize = 64;

/// The bytes of an entry.
const STEP: usize = size_of::<Runnable>();
const _: () = assert!(STEP.is_power_of_two());

/// The last index at which moving entries one by one takes fewer instructions than in blocks.
pub(crate) const NEAR: usize = 16;

/// The offsets by which a debugger reads the queue.
pub(crate) const LAYOUT: [usize; 7] = [
    offset_of!(RunQueue, entries),
    offset_of!(RunQueue, mask),
    offset_of!(RunQueue, head),
    offset_of!(RunQueue, tail),
    size_of::<Runnable>(),
    offset_of!(Runnable, context),
    offset_of!(Runnable, control),
];

impl Runnable {
    /// Returns an entry for a green thread and its context.
    ///
    /// # Safety
    ///
    /// When the entry is switched to, `control` must exist, and `context` must be its saved
    /// context that nothing has entered since.
    #[inline(always)]
    pub(crate) unsafe fn new(context: StackPointer, control: &ControlBlock) -> Runnable {
        Runnable { context, control }
    }

    #[inline(always)]
    pub(crate) fn context(self) -> StackPointer {
        self.context
    }

    #[inline(always)]
    pub(crate) fn control(self) -> *const ControlBlock {
        self.control
    }
}

impl RunQueue {
    pub(crate) fn new() -> RunQueue {
        RunQueue {
            entries: Cell::new(allocate(FIRST_CAPACITY)),
            mask: Cell::new(FIRST_CAPACITY * STEP - 1),
            head: AtomicUsize::new(0),
            tail: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn head(&self) -> usize {
        self.head.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_head(&self, head: usize) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// Returns the count of pops, for other OS threads to read.
    pub(crate) fn pops(&self) -> &AtomicUsize {
        &self.head
    }

    #[inline(always)]
    fn entry(&self, position: usize) -> *mut Runnable {
        // SAFETY: the mask keeps the position inside the allocation.
        unsafe { self.entries.get().byte_add(position & self.mask.get()) }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head() == self.tail.get()
    }

    /// Counts a push and a pop of the same entry.
    #[inline(always)]
    pub(crate) fn skip(&self) {
        debug_assert!(self.is_empty());
        self.set_head(self.head() + STEP);
        self.tail.set(self.tail.get() + STEP);
    }

    /// Makes [`RunQueue::has_popped_a_multiple_of`] return `false`. The queue is empty and
    /// stays empty.
    pub(crate) fn skip_a_poll<const COUNT: usize>(&self) {
        if self.has_popped_a_multiple_of::<COUNT>() {
            self.skip();
        }
    }

    /// Returns `true` after each `COUNT` pops.
    #[inline(always)]
    pub(crate) fn has_popped_a_multiple_of<const COUNT: usize>(&self) -> bool {
        is_multiple_of::<COUNT>(self.head())
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len_after(self.head())
    }

    /// Returns the number of pushes since this position was the [end](RunQueue::end): the length, if it
    /// is the count of pops.
    #[inline(always)]
    pub(crate) fn len_after(&self, position: usize) -> usize {
        (self.tail.get() - position) / STEP
    }

    /// Returns the positions of all entries, the next to run first.
    fn positions(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        let head = self.head();
        (0..self.len()).map(move |index| head + index * STEP)
    }

    /// Returns the green threads in the queue, the next to run first. Each exists: an ended
    /// thread is in no queue.
    pub(crate) fn controls(&self) -> impl Iterator<Item = *const ControlBlock> {
        let head = self.head();
        // SAFETY: the index is less than the length.
        (0..self.len()).map(move |index| unsafe { self.control_after(head, index) })
    }

    /// Returns the green thread that is `index` places behind the next to run.
    ///
    /// # Safety
    ///
    /// `head` must be the count of pops, and the queue must hold more than `index` entries.
    #[inline(always)]
    pub(crate) unsafe fn control_after(&self, head: usize, index: usize) -> *const ControlBlock {
        debug_assert!(index < self.len_after(head));
        // SAFETY: an entry between head and tail has been written.
        unsafe { (*self.entry(head + index * STEP)).control }
    }

    /// Returns all entries with their positions, the next to run first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, Runnable)> {
        // SAFETY: an entry between head and tail has been written.
        self.positions().map(|position| (position, unsafe { *self.entry(position) }))
    }

    /// Returns the position that the next push fills.
    pub(crate) fn end(&self) -> usize {
        self.tail.get()
    }

    /// Returns the place for the context of `control`, which is in the queue. Searches from the
    /// end: a thread that has just yielded, or was just woken, is there.
    ///
    /// # Panics
    ///
    /// If `control` is not in the queue.
    pub(crate) fn place_of(&self, control: *const ControlBlock) -> *mut StackPointer {
        // SAFETY: an entry between head and tail has been written.
        let is_its = |position: &usize| unsafe { (*self.entry(*position)).control == control };
        let position = self.positions().rev().find(is_its);
        let position = position.expect("a runnable green thread is in the run queue");
        // SAFETY: an entry between head and tail.
        unsafe { &raw mut (*self.entry(position)).context }
    }

    /// Removes the entry that is `index` places behind the next to run. The others keep
    /// their order.
    ///
    /// # Panics
    ///
    /// If the queue has no such entry.
    pub(crate) fn take(&self, index: usize) -> Runnable {
        assert!(index < self.len(), "the run queue has no entry {index}");
        let take = if index <= NEAR { RunQueue::take_after } else { RunQueue::take_far_after };
        // SAFETY: tested above.
        unsafe { take(self, self.head(), index) }
    }

    /// Removes an entry as [`RunQueue::take`] does, without the test.
    ///
    /// # Safety
    ///
    /// `head` must be the count of pops, and the queue must hold more than `index` entries.
    #[inline(always)]
    pub(crate) unsafe fn take_after(&self, head: usize, index: usize) -> Runnable {
        debug_assert!(index < self.len_after(head));
        self.set_head(head + STEP);
        let mut position = head + index * STEP;
        // SAFETY: all these are between head and tail, so they have been written.
        unsafe {
            let taken = self.entry(position).read();
            while position != head {
                let before = position - STEP;
                self.entry(position).write(self.entry(before).read());
                position = before;
            }
            taken
        }
    }

    /// Removes an entry as [`RunQueue::take_after`] does. Moves the entries before it in blocks.
    ///
    /// # Safety
    ///
    /// As for [`RunQueue::take_after`].
    #[inline(never)]
    pub(crate) unsafe fn take_far_after(&self, head: usize, index: usize) -> Runnable {
        self.set_head(head + STEP);
        let (first, end) = (self.entries.get(), self.capacity());
        let from = (head & self.mask.get()) / STEP;
        // SAFETY: the entries from `from` up to the one that is taken have been written. The ring
        // begins again after the last of the `end` entries of the allocation.
        unsafe {
            let taken = self.entry(head + index * STEP).read();
            if from + index < end {
                ptr::copy(first.add(from), first.add(from + 1), index);
            } else {
                ptr::copy(first, first.add(1), from + index - end);
                first.write(first.add(end - 1).read());
                ptr::copy(first.add(from), first.add(from + 1), end - 1 - from);
            }
            taken
        }
    }

    /// Removes the entry that is `index` places behind the next to run, and moves the next to run
    /// into its place: in constant time, and without keeping the order.
    ///
    /// # Panics
    ///
    /// If the queue has no such entry.
    pub(crate) fn take_from_middle(&self, index: usize) -> Runnable {
        assert!(index < self.len(), "the run queue has no entry {index}");
        let head = self.head();
        let (first, taken) = (self.entry(head), self.entry(head + index * STEP));
        self.set_head(head + STEP);
        // SAFETY: both are between the former head and the tail, so they have been written.
        unsafe {
            let runnable = taken.read();
            taken.write(first.read());
            runnable
        }
    }

    /// Reserves room for `count` green threads, and for one more.
    #[inline(always)]
    pub(crate) fn make_room(&self, count: usize) {
        if count * STEP >= self.mask.get() {
            self.grow((count + 1).next_power_of_two());
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        (self.mask.get() + 1) / STEP
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, capacity: usize) {
        let (old, old_capacity) = (self.entries.get(), self.capacity());
        let new = allocate(capacity);
        let mask = capacity * STEP - 1;
        for position in self.positions() {
            // SAFETY: the entries between head and tail have been written, and both rings
            // have room for them; each mask keeps the position inside its allocation.
            unsafe { *new.byte_add(position & mask) = *self.entry(position) };
        }
        self.entries.set(new);
        self.mask.set(mask);
        // SAFETY: the old allocation has this layout, and `entries` no longer refers to it.
        unsafe { alloc::dealloc(old.cast(), layout(old_capacity)) };
    }

    /// Appends an entry.
    ///
    /// # Safety
    ///
    /// [`RunQueue::make_room`] must have reserved room for it: a full ring would overwrite
    /// its first entry.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, runnable: Runnable) {
        let tail = self.tail.get();
        debug_assert!(tail - self.head() <= self.mask.get());
        // SAFETY: the mask keeps the position inside the allocation, and the caller has
        // reserved room.
        unsafe { self.entry(tail).write(runnable) };
        self.tail.set(tail + STEP);
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        let head = self.head();
        if head == self.tail.get() {
            return None;
        }
        self.set_head(head + STEP);
        // SAFETY: an entry between head and tail has been written.
        Some(unsafe { self.entry(head).read() })
    }

    /// Pushes `control`, with a context that is about to be saved, and pops the next to run.
    /// Returns the next and the place for the context; `None` if no other thread can run.
    ///
    /// `head` is the count of pops: the caller has read it to tell whether a poll is due, and
    /// a second load would wait for the store of the previous yield once more.
    ///
    /// # Safety
    ///
    /// As for [`RunQueue::push_place`].
    #[inline(always)]
    pub(crate) unsafe fn rotate(
        &self,
        head: usize,
        control: *const ControlBlock,
    ) -> Option<(Runnable, *mut StackPointer)> {
        debug_assert!(head == self.head());
        if head == self.tail.get() {
            return None;
        }
        self.set_head(head + STEP);
        // SAFETY: an entry between head and tail has been written. The pop has made room.
        unsafe {
            let next = self.entry(head).read();
            Some((next, self.push_place(control)))
        }
    }

    /// Pushes `control`, with a context that is about to be saved, after a pop. Returns the place
    /// for the context.
    ///
    /// # Safety
    ///
    /// A pop or [`RunQueue::make_room`] must have made room for the entry, `control` must
    /// exist until it is popped, and its context must be in the place by then.
    #[inline(always)]
    pub(crate) unsafe fn push_place(&self, control: *const ControlBlock) -> *mut StackPointer {
        let tail = self.tail.get();
        let entry = self.entry(tail);
        self.tail.set(tail + STEP);
        // SAFETY: the mask keeps the position inside the allocation.
        unsafe {
            (&raw mut (*entry).control).write(control);
            &raw mut (*entry).context
        }
    }
}

/// Returns `true` if `pops`, a count of pops, is a multiple of `COUNT`.
#[inline(always)]
pub(crate) fn is_multiple_of<const COUNT: usize>(pops: usize) -> bool {
    pops.is_multiple_of(COUNT * STEP)
}

impl Drop for RunQueue {
    fn drop(&mut self) {
        // SAFETY: `allocate` made the allocation with this layout.
        unsafe { alloc::dealloc(self.entries.get().cast(), layout(self.capacity())) };
    }
}

fn layout(capacity: usize) -> Layout {
    Layout::array::<Runnable>(capacity).expect("the address space ends before the queue does")
}

fn allocate(capacity: usize) -> *mut Runnable {
    let layout = layout(capacity);
    // SAFETY: the layout is not empty.
    let entries: *mut Runnable = unsafe { alloc::alloc(layout) }.cast();
    if entries.is_null() {
        alloc::handle_alloc_error(layout);
    }
    entries
}

impl Runnable {
    /// Returns an entry that stands for a context in tests.
    #[cfg(test)]
    fn numbered(number: usize) -> Runnable {
        Runnable {
            context: ptr::without_provenance_mut(number),
            control: ptr::without_provenance(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn room_is_made_for_as_many_as_are_wanted_at_once() {
        for count in [63, 64, 127, 128, 1_000] {
            let queue = RunQueue::new();
            queue.make_room(count);
            assert!(queue.capacity() > count, "{} for {count}", queue.capacity());
        }
    }

    #[test]
    fn an_entry_is_removed_alike_near_and_far() {
        for (pops, index) in (0..4 * 64).map(|number| (number / 64 * 21, number % 64)) {
            let [near, far] = [RunQueue::take_after, RunQueue::take_far_after].map(|take| {
                let queue = RunQueue::new();
                // SAFETY: the queue has room, and an entry at the index.
                let taken = unsafe {
                    (0..pops).for_each(|number| queue.push(Runnable::numbered(number)));
                    (0..pops).for_each(|_| assert!(queue.pop().is_some()));
                    (0..FIRST_CAPACITY).for_each(|number| queue.push(Runnable::numbered(number)));
                    take(&queue, queue.head(), index)
                };
                (taken.control, queue.controls().collect::<Vec<_>>())
            });
            assert_eq!(near, far, "{index} after {pops}");
        }
    }

    #[test]
    fn behaves_like_a_deque_while_it_wraps_and_grows() {
        let queue = RunQueue::new();
        let mut model = VecDeque::new();
        let mut random = 1u32;
        let mut number = 0;
        let mut pops = 0;
        for _ in 0..if cfg!(miri) { 2_000 } else { 20_000 } {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match random >> 30 {
                0 | 1 if model.len() < 500 => {
                    number += 16;
                    queue.make_room(model.len() + 1);
                    // SAFETY: room is made above.
                    unsafe { queue.push(Runnable::numbered(number)) };
                    model.push_back(number);
                }
                2 => {
                    let popped = queue.pop().map(|runnable| runnable.control.addr());
                    assert_eq!(popped, model.pop_front());
                }
                _ => {
                    number += 16;
                    let control = ptr::without_provenance(number);
                    // SAFETY: the context is written below.
                    let rotated = unsafe { queue.rotate(queue.head(), control) };
                    let Some((next, context)) = rotated else {
                        assert!(model.is_empty() && queue.is_empty());
                        continue;
                    };
                    // SAFETY: the place in the queue that rotate gave.
                    unsafe { *context = ptr::without_provenance_mut(number) };
                    assert_eq!(Some(next.context.addr()), model.pop_front());
                    model.push_back(number);
                }
            }
            assert_eq!(queue.is_empty(), model.is_empty());
            // Another OS thread relies on this.
            assert!(queue.head() >= pops);
            pops = queue.head();
        }
    }
}
