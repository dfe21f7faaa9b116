//! The run queue: a ring of saved stack pointers.
//!
//! An entry holds what a switch needs, so that a yield reads one line of the
//! ring and not a chain of control blocks: with 100 green threads a list through
//! the control blocks takes half as long again.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::control::Control;
use crate::arch::StackPointer;

/// A green thread that can run, and where it goes on.
#[derive(Clone, Copy)]
pub(super) struct Runnable {
    pub(super) context: StackPointer,
    pub(super) control: *const Control,
}

/// First in, first out. There is always room for one more than was asked for in
/// [`RunQueue::make_room`], so a push does not look.
pub(super) struct RunQueue {
    pub(super) entries: Cell<*mut Runnable>,
    /// The size of the ring in bytes, a power of two, less one.
    pub(super) mask: Cell<usize>,
    /// All pops and all pushes, each counted as so many bytes: then a position
    /// needs no shift to become an address.
    ///
    /// The count of pops never goes back: it tells another OS thread, which only
    /// reads it, whether anybody has let others run. On its own OS thread that is
    /// a plain load and a plain store.
    pub(super) head: AtomicUsize,
    pub(super) tail: Cell<usize>,
}

const FIRST_CAPACITY: usize = 64;

/// What an entry counts.
const STEP: usize = size_of::<Runnable>();
const _: () = assert!(STEP.is_power_of_two());

impl RunQueue {
    pub(super) fn new() -> RunQueue {
        RunQueue {
            entries: Cell::new(allocate(FIRST_CAPACITY)),
            mask: Cell::new(FIRST_CAPACITY * STEP - 1),
            head: AtomicUsize::new(0),
            tail: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn head(&self) -> usize {
        self.head.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_head(&self, head: usize) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// The count of pops, for other OS threads to read.
    pub(super) fn pops(&self) -> &AtomicUsize {
        &self.head
    }

    #[inline(always)]
    fn entry(&self, position: usize) -> *mut Runnable {
        // SAFETY: the mask keeps it inside the allocation.
        unsafe { self.entries.get().byte_add(position & self.mask.get()) }
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.head() == self.tail.get()
    }

    /// Counts as a push and a pop of the same.
    #[inline(always)]
    pub(super) fn skip(&self) {
        debug_assert!(self.is_empty());
        self.set_head(self.head() + STEP);
        self.tail.set(self.tail.get() + STEP);
    }

    /// Makes sure that [`RunQueue::has_popped_a_multiple_of`] is false now. It is
    /// empty, and stays so.
    pub(super) fn skip_a_poll<const COUNT: usize>(&self) {
        if self.has_popped_a_multiple_of::<COUNT>() {
            self.skip();
        }
    }

    /// True after each so many pops.
    #[inline(always)]
    pub(super) fn has_popped_a_multiple_of<const COUNT: usize>(&self) -> bool {
        is_multiple_of::<COUNT>(self.head())
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        (self.tail.get() - self.head()) / STEP
    }

    /// The positions of all that are in it, the next first.
    fn positions(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        let head = self.head();
        (0..self.len()).map(move |index| head + index * STEP)
    }

    /// All that are in it, the next first.
    pub(super) fn controls(&self) -> impl Iterator<Item = *const Control> {
        // SAFETY: an entry between head and tail has been written.
        self.positions().map(|position| unsafe { (*self.entry(position)).control })
    }

    /// The one that is `index` behind the next, which is in the queue.
    #[inline(always)]
    pub(super) fn control_at(&self, index: usize) -> *const Control {
        debug_assert!(index < self.len());
        // SAFETY: an entry between head and tail has been written.
        unsafe { (*self.entry(self.head() + index * STEP)).control }
    }

    /// All entries with their positions, the next first.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Runnable)> {
        // SAFETY: an entry between head and tail has been written.
        self.positions().map(|position| (position, unsafe { *self.entry(position) }))
    }

    /// The position of the next entry that is pushed.
    pub(super) fn end(&self) -> usize {
        self.tail.get()
    }

    /// The place for the context of `control`, which is in the queue.
    pub(super) fn place_of(&self, control: *const Control) -> *mut StackPointer {
        let index = self.controls().position(|other| ptr::eq(other, control));
        let index = index.expect("it is in the queue");
        // SAFETY: an entry between head and tail.
        unsafe { &raw mut (*self.entry(self.head() + index * STEP)).context }
    }

    /// Takes out the entry that is `index` behind the next. The others keep their
    /// order.
    #[inline(always)]
    pub(super) fn take(&self, index: usize) -> Runnable {
        assert!(index < self.len(), "there are not so many");
        // SAFETY: as it is.
        unsafe { self.take_unchecked(index) }
    }

    /// As [`RunQueue::take`].
    ///
    /// # Safety
    ///
    /// There is such an entry.
    #[inline(always)]
    pub(super) unsafe fn take_unchecked(&self, index: usize) -> Runnable {
        debug_assert!(index < self.len());
        let head = self.head();
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

    /// Makes sure that `count` green threads can be in the queue at once.
    #[inline(always)]
    pub(super) fn make_room(&self, count: usize) {
        if count * STEP >= self.mask.get() {
            self.grow((count + 1).next_power_of_two());
        }
    }

    pub(super) fn capacity(&self) -> usize {
        (self.mask.get() + 1) / STEP
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, capacity: usize) {
        let (old, old_capacity) = (self.entries.get(), self.capacity());
        let new = allocate(capacity);
        let mask = capacity * STEP - 1;
        for position in self.positions() {
            // SAFETY: these entries are in use, fewer than either has room for;
            // the mask keeps each inside its allocation.
            unsafe { *new.byte_add(position & mask) = *self.entry(position) };
        }
        self.entries.set(new);
        self.mask.set(mask);
        // SAFETY: replaced above.
        unsafe { alloc::dealloc(old.cast(), layout(old_capacity)) };
    }

    #[inline(always)]
    pub(super) fn push(&self, runnable: Runnable) {
        let tail = self.tail.get();
        debug_assert!(tail - self.head() <= self.mask.get());
        // SAFETY: the entry is free, as `make_room` saw to.
        unsafe { self.entry(tail).write(runnable) };
        self.tail.set(tail + STEP);
    }

    #[inline(always)]
    pub(super) fn pop(&self) -> Option<Runnable> {
        let head = self.head();
        if head == self.tail.get() {
            return None;
        }
        self.set_head(head + STEP);
        // SAFETY: an entry between head and tail has been written.
        Some(unsafe { self.entry(head).read() })
    }

    /// Pushes `control`, whose context is about to be saved, and pops the next.
    /// Returns the next and the place for the context; `None` if no other thread can
    /// run.
    ///
    /// `head` must be the count of pops. The caller has read it to tell whether a poll is due,
    /// and a second load would wait for the store of the previous yield once more.
    #[inline(always)]
    pub(super) fn rotate(
        &self,
        head: usize,
        control: *const Control,
    ) -> Option<(Runnable, *mut StackPointer)> {
        debug_assert!(head == self.head());
        if head == self.tail.get() {
            return None;
        }
        self.set_head(head + STEP);
        // SAFETY: an entry between head and tail has been written.
        let next = unsafe { self.entry(head).read() };
        Some((next, self.push_place(control)))
    }
}

impl RunQueue {
    /// Pushes `control`, whose context is about to be saved, after a pop. Gives the
    /// place for the context.
    #[inline(always)]
    pub(super) fn push_place(&self, control: *const Control) -> *mut StackPointer {
        let tail = self.tail.get();
        let entry = self.entry(tail);
        self.tail.set(tail + STEP);
        // SAFETY: a pop has made room. The context is written by the switch that
        // leaves it, before anybody can pop the entry.
        unsafe {
            (&raw mut (*entry).control).write(control);
            &raw mut (*entry).context
        }
    }
}

/// Returns `true` if `pops`, a count of pops, is a multiple of `COUNT`.
#[inline(always)]
pub(super) fn is_multiple_of<const COUNT: usize>(pops: usize) -> bool {
    pops.is_multiple_of(COUNT * STEP)
}

impl Drop for RunQueue {
    fn drop(&mut self) {
        // SAFETY: allocated by us with this layout.
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
    /// Stands for a context in tests.
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
                    queue.push(Runnable::numbered(number));
                    model.push_back(number);
                }
                2 => {
                    let popped = queue.pop().map(|runnable| runnable.control.addr());
                    assert_eq!(popped, model.pop_front());
                }
                _ => {
                    number += 16;
                    let control = ptr::without_provenance(number);
                    let Some((next, context)) = queue.rotate(queue.head(), control) else {
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
            // What another OS thread goes by.
            assert!(queue.head() >= pops);
            pops = queue.head();
        }
    }
}
