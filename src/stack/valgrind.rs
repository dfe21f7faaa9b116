//! What Valgrind has to be told. Outside Valgrind a request takes a few cycles,
//! and none is made where that would count.

#![forbid(unsafe_code)]

use crate::arch;

// From valgrind.h and memcheck.h.
const STACK_REGISTER: usize = 0x1501;
const STACK_DEREGISTER: usize = 0x1502;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;

/// Tells Valgrind that a stack is one, or it takes a switch for a huge frame.
/// Gives its name for the stack; 0 outside Valgrind.
pub(super) fn register(lowest: *mut u8, bytes: usize) -> u32 {
    let lowest = lowest.addr();
    arch::annotate(&[STACK_REGISTER, lowest, lowest + bytes, 0, 0, 0], 0) as u32
}

pub(super) fn deregister(id: u32) {
    arch::annotate(&[STACK_DEREGISTER, id as usize, 0, 0, 0, 0], 0);
}

/// The memory can be used, although it is below the stack pointer that was last
/// seen on this stack.
pub(super) fn allow(lowest: *mut u8, bytes: usize) {
    arch::annotate(&[MAKE_MEM_DEFINED, lowest.addr(), bytes, 0, 0, 0], 0);
}
