//! A coroutine's control block.
//!
//! ```text
//!   |  stack header       |
//!   +---------------------+
//!   |  closure            |  moved out when the coroutine first runs
//!   |  Control            |
//!   +---------------------+ <- Coroutine and Yielder point here
//!   |  frames             |
//! ```
//!
//! The control block holds neither the stack pointer of the suspended coroutine nor, except in the
//! link, that of its resumer. Each side receives the other's stack pointer in a register at each
//! switch: the handle keeps the coroutine's, and the yielder keeps the resumer's. The link is for
//! unwinders.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::arch::{Link, StackPointer};
use crate::stack::Header;
use crate::stack::sanitizer::Bounds;

/// The mark on the resumer's stack pointer that makes the coroutine unwind its stack.
pub(super) const UNWIND: usize = 1;

/// Passed to the resumer instead of a stack pointer when the body has returned. The word is the
/// returned value.
pub(super) const RETURNED: usize = 0;
/// Passed to the resumer instead of a stack pointer when the body has panicked. The word is the
/// payload of the panic.
pub(super) const PANICKED: usize = 1;

/// The control block of a coroutine.
#[repr(C)]
pub(super) struct Control {
    link: Link,
    stack: NonNull<Header>,
    /// The bounds of the stack that the next resume enters, for the sanitizer.
    pub(super) own_bounds: Cell<Bounds>,
    /// The bounds of the resumer's stack, for the sanitizer.
    pub(super) resumer_bounds: Cell<Bounds>,
}

impl Control {
    /// Writes the control block of a coroutine on the stack of `header`.
    ///
    /// It does not write the link, which is zero or has values from the last use of the stack. A
    /// resume writes the link's context only if it differs. If a loop creates coroutines on one
    /// stack, it does not differ. The root writes the return address.
    ///
    /// # Safety
    ///
    /// `control` must be valid for writes, and in a part of that stack that is not in use.
    #[inline(always)]
    pub(super) unsafe fn write(control: *mut Control, header: &Header) {
        // SAFETY: `control` is valid for writes (see # Safety).
        unsafe {
            (&raw mut (*control).stack).write(NonNull::from(header));
            (&raw mut (*control).own_bounds).write(Cell::new(Bounds::of(header)));
            (&raw mut (*control).resumer_bounds).write(Cell::new(Bounds::UNKNOWN));
        }
    }

    /// Returns the address of the link's context, which is the resumer's stack pointer while the
    /// coroutine runs.
    #[inline(always)]
    pub(super) fn resumer(&self) -> *mut StackPointer {
        self.link.context.as_ptr()
    }

    /// Returns the header of the coroutine's stack.
    #[inline(always)]
    pub(super) fn header(&self) -> NonNull<Header> {
        self.stack
    }

    /// Returns the header of the coroutine's stack as a reference.
    #[inline(always)]
    pub(super) fn stack(&self) -> &Header {
        // SAFETY: the control block lies on the stack of this header, so the header lives at least
        // as long as the control block.
        unsafe { self.stack.as_ref() }
    }

    /// Returns the number of bytes from the limit of the stack up to this control block.
    #[inline(always)]
    pub(super) fn bytes_below(&self) -> usize {
        ptr::from_ref(self).addr() - self.stack().limit().addr()
    }

    /// Drops the closure of a coroutine that has never run.
    ///
    /// # Safety
    ///
    /// The coroutine must never have run, so that its closure is still on the stack, and the closure
    /// must not be used again.
    pub(super) unsafe fn drop_closure(control: NonNull<Control>) {
        // SAFETY: the closure is still on the stack and not used again (see # Safety). `create`
        // has recorded the function for the type of this closure.
        unsafe { (control.as_ref().stack().body().drop)(control.as_ptr().cast()) }
    }
}
