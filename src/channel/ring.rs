//! The buffer of a channel: a ring with a power of two of slots, or none.
//!
//! ```text
//!            head                 tail
//!             |                    |
//!             v                    v
//!   +------+------+------+------+------+------+------+------+
//!   |      |  1st |  2nd |  3rd |      |      |      |      |   8 slots, mask 7
//!   +------+------+------+------+------+------+------+------+
//! ```
//!
//! `head` counts all messages that were taken out, `tail` all that were put in. Both wrap
//! around at the end of their type, and `position & mask` is a slot. So neither a put nor a
//! take compares a position with the end of the allocation.
//!
//! # The two shortcuts
//!
//! Most sends and receives change the buffer and nothing else: no thread has to be woken,
//! and no limit is reached. The ring records this for each direction, so that a send takes
//! one comparison and a receive one flag (88 instructions per message became 52).
//!
//! | shortcut | open means | the channel closes it when |
//! | --- | --- | --- |
//! | [`put_at_once`](Ring::put_at_once) | a receiver exists, no thread waits to receive, no `Select` watches for messages | a thread begins to wait to receive, a `Select` begins to watch for messages, the last receiver is dropped |
//! | [`take_at_once`](Ring::take_at_once) | no thread waits to send, no `Select` watches for room | a thread begins to wait to send, a `Select` begins to watch for room, the last receiver is dropped |
//!
//! A shortcut is opened only by the same operation on its slow path, which has just
//! established what an open shortcut means. A closed shortcut is always correct, and only
//! slower. An explored run can use the shortcuts as well, since an operation is reported to
//! the controller before it reads the buffer.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

/// A growing queue, first in, first out.
pub(super) struct Ring<T> {
    slots: Cell<NonNull<MaybeUninit<T>>>,
    /// The number of slots minus one. It wraps around to `usize::MAX` while there are none.
    mask: Cell<usize>,
    head: Cell<usize>,
    tail: Cell<usize>,
    /// The number of messages below which one can be put in at once: 0 while that shortcut
    /// is closed, and at most the number of slots.
    put_limit: Cell<usize>,
    /// The shortcut for taking is open.
    is_take_open: Cell<bool>,
}

const FIRST_SLOTS: usize = 4;

impl<T> Ring<T> {
    /// Returns an empty ring, which has allocated nothing. Both shortcuts are closed.
    pub(super) const fn new() -> Ring<T> {
        Ring {
            slots: Cell::new(NonNull::dangling()),
            mask: Cell::new(usize::MAX),
            head: Cell::new(0),
            tail: Cell::new(0),
            put_limit: Cell::new(0),
            is_take_open: Cell::new(false),
        }
    }

    /// Returns the number of messages.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    /// Returns `true` if the ring holds no message.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.tail.get() == self.head.get()
    }

    /// Returns the number of slots.
    fn slot_count(&self) -> usize {
        self.mask.get().wrapping_add(1)
    }

    /// Returns the slot of a position.
    #[inline(always)]
    fn slot(&self, position: usize) -> *mut MaybeUninit<T> {
        self.slots.get().as_ptr().wrapping_add(position & self.mask.get())
    }

    /// Opens the shortcut for putting, for as long as there are fewer messages than
    /// `limit` and a free slot.
    #[inline(always)]
    pub(super) fn open_put(&self, limit: usize) {
        // mistake: put-beyond-capacity
        self.put_limit.set(limit.min(self.slot_count()));
    }

    /// Closes the shortcut for putting.
    // Closing a shortcut that is closed writes nothing: with the write, a rendezvous,
    // which closes one for every message, took 1 ns longer.
    #[inline(always)]
    pub(super) fn close_put(&self) {
        if self.put_limit.get() != 0 {
            self.put_limit.set(0);
        }
    }

    /// Opens the shortcut for taking.
    #[inline(always)]
    pub(super) fn open_take(&self) {
        self.is_take_open.set(true);
    }

    /// Closes the shortcut for taking.
    #[inline(always)]
    pub(super) fn close_take(&self) {
        if self.is_take_open.get() {
            self.is_take_open.set(false);
        }
    }

    /// Puts a message in if the shortcut is open and the limit is not reached.
    ///
    /// # Errors
    ///
    /// Gives the message back.
    #[inline(always)]
    pub(super) fn put_at_once(&self, message: T) -> Result<(), T> {
        if self.len() >= self.put_limit.get() {
            return Err(message);
        }
        // SAFETY: `put_limit` is at most the number of slots, so there is a free one.
        unsafe { self.write_tail(message) };
        Ok(())
    }

    /// Takes the oldest message out if the shortcut is open and there is a message.
    #[inline(always)]
    pub(super) fn take_at_once(&self) -> Option<T> {
        // The length is tested first, since a rendezvous never has a message here.
        if self.is_empty() || !self.is_take_open.get() { None } else { self.pop() }
    }

    /// Takes the oldest message out.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<T> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        // SAFETY: the slots between head and tail hold messages. Since head has moved on,
        // nothing else reads this one.
        Some(unsafe { self.slot(head).read().assume_init() })
    }

    /// Puts a message in, whether a shortcut is open or not.
    #[inline(always)]
    pub(super) fn push(&self, message: T) {
        if self.len() == self.slot_count() {
            self.grow();
        }
        // SAFETY: there are more slots than messages.
        unsafe { self.write_tail(message) };
    }

    /// Writes a message to the slot after the last message.
    ///
    /// # Safety
    ///
    /// There must be more slots than messages.
    #[inline(always)]
    unsafe fn write_tail(&self, message: T) {
        let tail = self.tail.get();
        // SAFETY: the mask keeps the slot inside the allocation, and the caller makes
        // sure that it is free.
        unsafe { self.slot(tail).write(MaybeUninit::new(message)) };
        self.tail.set(tail.wrapping_add(1));
    }

    /// Allocates twice as many slots, and moves the messages there.
    #[cold]
    #[inline(never)]
    fn grow(&self) {
        let count = self.slot_count().saturating_mul(2).max(FIRST_SLOTS);
        let mut larger = Box::<[T]>::new_uninit_slice(count);
        let (len, head) = (self.len(), self.head.get());
        for (index, slot) in larger[..len].iter_mut().enumerate() {
            // SAFETY: the slots between head and tail hold messages. Each is moved, and
            // the old allocation drops none of them.
            // mistake: growth-reorders
            *slot = unsafe { self.slot(head.wrapping_add(index)).read() };
        }
        self.free_slots();
        self.head.set(0);
        self.tail.set(len);
        self.mask.set(count - 1);
        self.slots.set(NonNull::from(Box::leak(larger)).cast());
    }

    /// Frees the allocation, and drops no message.
    fn free_slots(&self) {
        let slots = ptr::slice_from_raw_parts_mut(self.slots.get().as_ptr(), self.slot_count());
        // SAFETY: pointer and length are those of a leaked box; while there are no slots, the
        // dangling pointer is a box of no elements. The caller replaces the pointer or never
        // uses it again.
        drop(unsafe { Box::from_raw(slots) });
    }

    /// Takes all messages out, and closes both shortcuts. The result drops the messages;
    /// their destructors may use this ring, which is empty.
    pub(super) fn take_all(&self) -> Ring<T> {
        let all = Ring::new();
        all.slots.swap(&self.slots);
        all.mask.swap(&self.mask);
        all.head.swap(&self.head);
        all.tail.swap(&self.tail);
        // mistake: put-open-without-receiver
        self.close_put();
        self.close_take();
        all
    }
}

impl<T> Drop for Ring<T> {
    /// Drops all messages, even if the destructors of some of them panic. The first panic goes on.
    fn drop(&mut self) {
        let mut first = None;
        while let Some(message) = self.pop() {
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(message))) {
                first.get_or_insert(payload);
            }
        }
        self.free_slots();
        if let Some(payload) = first {
            panic::resume_unwind(payload);
        }
    }
}

#[cfg(test)]
mod tests;
