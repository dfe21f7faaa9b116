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
//! The control block does not say where the coroutine goes on, nor where its resumer waits:
//! each side is told by the other at each switch, in a register, and keeps it: the handle
//! the one, the yielder the other. Only the link is kept here, for unwinders.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::arch::{self, Link, StackPointer};
use crate::stack::Header;
use crate::stack::sanitizer::Bounds;

/// The mark on the resumer's stack pointer that orders the coroutine to unwind.
pub(super) const UNWIND: usize = 1;

/// What a coroutine that has ended passes to its resumer instead of a stack pointer: the word
/// is what the body has returned, ...
pub(super) const RETURNED: usize = 0;
/// ... or the payload of the panic that has ended the body.
pub(super) const PANICKED: usize = 1;

#[repr(C)]
pub(super) struct Control {
    link: Link,
    stack: NonNull<Header>,
    /// Bounds of the stack to go on on, and of the resumer's, for the sanitizer.
    pub(super) own_bounds: Cell<Bounds>,
    pub(super) resumer_bounds: Cell<Bounds>,
}

impl Control {
    /// Writes the control block of a coroutine on the stack of `header`.
    ///
    /// The link is left as it is: zero, or what the last use of the stack has left there. A
    /// resume compares it, and writes it if it differs; where a loop creates coroutines on
    /// one stack, it does not.
    ///
    /// # Safety
    ///
    /// `control` must be valid for writes, and in the part of that stack that is not in use.
    #[inline(always)]
    pub(super) unsafe fn write(control: *mut Control, header: &Header) {
        // SAFETY: as the caller says.
        unsafe {
            (&raw mut (*control).link.return_address)
                .write(arch::coroutine_root as *const () as usize);
            (&raw mut (*control).stack).write(NonNull::from(header));
            (&raw mut (*control).own_bounds).write(Cell::new(Bounds::of(header)));
            (&raw mut (*control).resumer_bounds).write(Cell::new(Bounds::UNKNOWN));
        }
    }

    /// Returns where the link is, which leads to the resumer while the coroutine runs.
    #[inline(always)]
    pub(super) fn resumer(&self) -> *mut StackPointer {
        self.link.context.as_ptr()
    }

    #[inline(always)]
    pub(super) fn header(&self) -> NonNull<Header> {
        self.stack
    }

    #[inline(always)]
    pub(super) fn stack(&self) -> &Header {
        // SAFETY: the header lives as long as the control block below it.
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
    /// The closure must be in its place, and not be used again.
    pub(super) unsafe fn drop_closure(control: NonNull<Control>) {
        // SAFETY: as the caller says.
        unsafe { (control.as_ref().stack().body().drop)(control.as_ptr().cast()) }
    }
}
