//! Requests to Valgrind about stacks.
//!
//! Outside Valgrind a request takes a few cycles, so no hot path makes one.

#![forbid(unsafe_code)]

use crate::arch;

// From valgrind.h and memcheck.h.
const STACK_REGISTER: usize = 0x1501;
const STACK_DEREGISTER: usize = 0x1502;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;

/// Registers a stack, and returns Valgrind's id for it; 0 outside Valgrind. Without this, Valgrind
/// takes a switch for a huge frame.
pub(super) fn register(lowest: *mut u8, bytes: usize) -> u32 {
    let lowest = lowest.addr();
    arch::annotate(&[STACK_REGISTER, lowest, lowest + bytes, 0, 0, 0], 0) as u32
}

/// Ends the registration of a stack.
pub(super) fn deregister(id: u32) {
    arch::annotate(&[STACK_DEREGISTER, id as usize, 0, 0, 0, 0], 0);
}

/// Declares memory of a stack as defined, although it is below the stack pointer that Valgrind
/// last saw on this stack.
pub(super) fn allow(lowest: *mut u8, bytes: usize) {
    arch::annotate(&[MAKE_MEM_DEFINED, lowest.addr(), bytes, 0, 0, 0], 0);
}
