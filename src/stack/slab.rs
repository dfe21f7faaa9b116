//! Slabs: large reservations from which stacks of one size are carved.
//!
//! ```text
//!   | guard | stack 0 | guard | stack 1 | guard | stack 2 | ...
//!   ^ base            ^ base + stride
//! ```
//!
//! With light guards a slab is one map entry, whatever its number of stacks, and the kernel merges
//! neighbouring slabs into one entry.

use std::cell::Cell;
use std::io;
use std::ptr::NonNull;

use super::header::{COLOUR_STEP, COLOURS, Header};
use super::valgrind;
use crate::sys::memory::{self, GuardKind, MIN_GUARD_BYTES};

/// The most address space that a slab of more than one stack reserves, in bytes.
const MAX_SLAB_BYTES: usize = 1 << 30;

/// Returns the number of bytes of a guard.
pub(super) fn guard_bytes() -> usize {
    MIN_GUARD_BYTES.max(memory::page_bytes())
}

/// A reservation of address space for stacks of one size.
pub(super) struct Slab {
    pub(super) base: NonNull<u8>,
    count: usize,
    /// The number of opened stacks: those below this index have been handed out at least once.
    pub(super) opened: Cell<usize>,
    pub(super) stack_bytes: usize,
    kind: GuardKind,
}

impl Slab {
    /// Reserves address space for `count` stacks, or for fewer if there is too little of it.
    ///
    /// # Errors
    ///
    /// If there is not enough address space for one stack.
    pub(super) fn reserve(mut count: usize, stack_bytes: usize) -> io::Result<Slab> {
        let kind = memory::guard_kind();
        let stride = stack_bytes + guard_bytes();
        count = count.clamp(1, (MAX_SLAB_BYTES / stride).max(1));
        loop {
            match memory::reserve(count * stride, kind) {
                Ok(base) => {
                    return Ok(Slab { base, count, opened: Cell::new(0), stack_bytes, kind });
                }
                Err(error) if count == 1 => return Err(error),
                Err(_) => count /= 2,
            }
        }
    }

    /// Returns the distance between two neighbouring stacks in bytes.
    fn stride(&self) -> usize {
        self.stack_bytes + guard_bytes()
    }

    /// Returns the number of stacks that the slab has room for.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of stacks that have been handed out at least once.
    pub(super) fn opened(&self) -> usize {
        self.opened.get()
    }

    /// Returns `true` if every stack of the slab has been opened.
    pub(super) fn is_full(&self) -> bool {
        self.opened.get() == self.count
    }

    /// Opens the next stack that was never used, and records `class` in its header.
    pub(super) fn open_next(&self, class: *const ()) -> io::Result<NonNull<Header>> {
        debug_assert!(!self.is_full());
        let index = self.opened.get();
        // SAFETY: `index` is less than `count`, so the slot is inside the reservation. No stack
        // with an index of `opened` or more was ever handed out, so the slot is unused.
        let header = unsafe {
            let guard = self.base.add(index * self.stride());
            memory::open(guard.as_ptr(), guard_bytes(), self.stack_bytes, self.kind)?;
            let limit = guard.add(guard_bytes()).as_ptr();
            let valgrind_id = valgrind::register(limit, self.stack_bytes);
            let header = self.header(index);
            Header::create(header.as_ptr(), limit, self.stack_bytes, class, valgrind_id);
            header
        };
        self.opened.set(index + 1);
        Ok(header)
    }

    /// Returns the address of the header of stack `index`, which must be less than `count`.
    fn header(&self, index: usize) -> NonNull<Header> {
        let colour = index % COLOURS * COLOUR_STEP;
        let offset = (index + 1) * self.stride() - colour - size_of::<Header>();
        // SAFETY: `offset` is inside the reservation: every caller passes an index that is less
        // than `count`.
        unsafe { self.base.add(offset).cast() }
    }

    /// Returns the headers of the opened stacks.
    pub(super) fn headers(&self) -> impl Iterator<Item = NonNull<Header>> {
        (0..self.opened.get()).map(|index| self.header(index))
    }

    /// Returns the opened stack with `address` in its slot, and `true` if the address is in its
    /// guard.
    pub(super) fn find(&self, address: usize) -> Option<(NonNull<Header>, bool)> {
        let offset = address.checked_sub(self.base.as_ptr() as usize)?;
        let index = offset / self.stride();
        (index < self.opened.get())
            .then(|| (self.header(index), offset % self.stride() < guard_bytes()))
    }

    /// Gives the address space back to the operating system.
    ///
    /// # Safety
    ///
    /// No stack of the slab may be in use or be used again.
    pub(super) unsafe fn release(self) {
        for header in self.headers() {
            // SAFETY: the header of an opened stack is initialised.
            valgrind::deregister(unsafe { header.as_ref() }.valgrind_id());
        }
        // SAFETY: the range is the whole reservation, and no stack in it is used again (see
        // # Safety).
        unsafe {
            memory::release(self.base, self.count * self.stride(), self.opened.get(), self.kind)
        };
    }
}
