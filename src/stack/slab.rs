//! Slabs: large reservations from which stacks of one size are carved.
//!
//! ```text
//!   | guard | stack 0 | guard | stack 1 | guard | stack 2 | ...
//!   ^ base            ^ base + stride
//! ```
//!
//! With light guards a slab is one map entry, however many stacks it has, and
//! neighbouring slabs become one.

use std::cell::Cell;
use std::io;
use std::ptr::NonNull;

use super::header::{COLOUR_STEP, COLOURS, Header};
use super::valgrind;
use crate::sys::memory::{self, GuardKind, MIN_GUARD_BYTES};

/// A slab never reserves more address space than this.
const MAX_SLAB_BYTES: usize = 1 << 30;

pub(super) fn guard_bytes() -> usize {
    MIN_GUARD_BYTES.max(memory::page_bytes())
}

pub(super) struct Slab {
    pub(super) base: NonNull<u8>,
    count: usize,
    /// Stacks from 0 up to here have been handed out at least once.
    pub(super) opened: Cell<usize>,
    pub(super) stack_bytes: usize,
    kind: GuardKind,
}

impl Slab {
    /// Reserves address space for `count` stacks, or for fewer if there is not
    /// enough of it, but at least for one.
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

    fn stride(&self) -> usize {
        self.stack_bytes + guard_bytes()
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn opened(&self) -> usize {
        self.opened.get()
    }

    pub(super) fn is_full(&self) -> bool {
        self.opened.get() == self.count
    }

    /// Opens the next stack that was never used, and records `class` in its header.
    pub(super) fn open_next(&self, class: *const ()) -> io::Result<NonNull<Header>> {
        debug_assert!(!self.is_full());
        let index = self.opened.get();
        // SAFETY: `index` is below `count`, so the slot is inside the slab; it
        // was never handed out.
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

    /// Where stack `index` has its header. Inside the slab if `index` is.
    fn header(&self, index: usize) -> NonNull<Header> {
        let colour = index % COLOURS * COLOUR_STEP;
        let offset = (index + 1) * self.stride() - colour - size_of::<Header>();
        // SAFETY: inside the reservation, as every caller's index is.
        unsafe { self.base.add(offset).cast() }
    }

    /// The stacks that have been handed out at least once.
    pub(super) fn headers(&self) -> impl Iterator<Item = NonNull<Header>> {
        (0..self.opened.get()).map(|index| self.header(index))
    }

    /// Which stack's slot `address` is in, and whether in its guard.
    pub(super) fn find(&self, address: usize) -> Option<(NonNull<Header>, bool)> {
        let offset = address.checked_sub(self.base.as_ptr() as usize)?;
        let index = offset / self.stride();
        (index < self.opened.get())
            .then(|| (self.header(index), offset % self.stride() < guard_bytes()))
    }

    /// Gives the address space back.
    ///
    /// # Safety
    ///
    /// No stack of the slab may be in use, or be used again.
    pub(super) unsafe fn release(self) {
        for header in self.headers() {
            // SAFETY: opened, so it has a header.
            valgrind::deregister(unsafe { header.as_ref() }.valgrind_id());
        }
        // SAFETY: the caller says that nobody uses it.
        unsafe {
            memory::release(self.base, self.count * self.stride(), self.opened.get(), self.kind)
        };
    }
}
