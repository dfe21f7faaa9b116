//! Ways to run out of stack.

use std::arch::naked_asm;
use std::hint::black_box;
use std::panic;

/// Calls itself until there is no stack left.
#[inline(never)]
pub fn deep(depth: u64) -> u64 {
    let frame = black_box([depth; 8]);
    if depth == u64::MAX {
        return 0;
    }
    deep(depth + 1).wrapping_add(black_box(frame)[3])
}

/// The same, for whoever wants no value.
pub fn overflow() {
    black_box(deep(0));
}

/// Has a frame of `BYTES`, all of it written.
#[inline(never)]
pub fn large_frame<const BYTES: usize>() {
    let mut frame = [0u8; BYTES];
    black_box(&mut frame).fill(1);
}

/// Calls itself with a frame of `BYTES` each until there is no stack left.
#[inline(never)]
pub fn deep_and_large<const BYTES: usize>(depth: u64) {
    let mut frame = [0u8; BYTES];
    black_box(&mut frame)[BYTES / 2] = 1;
    if depth < u64::MAX {
        deep_and_large::<BYTES>(depth + 1);
    }
    black_box(&mut frame);
}

/// A value whose destructor overflows the stack.
pub struct DeepDrop;

impl Drop for DeepDrop {
    fn drop(&mut self) {
        overflow();
    }
}

/// Nobody is to see the text of a panic that a scenario starts.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|_| {}));
}

/// Calls `function` with the stack pointer `bytes` lower, as C code does that
/// allocates a large frame without probing it.
///
/// # Safety
///
/// `bytes` must be a multiple of 16, and whoever calls this be ready to fault.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "C" fn leap(bytes: usize, function: extern "C" fn()) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, rdi",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
    )
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub unsafe extern "C" fn leap(bytes: usize, function: extern "C" fn()) {
    naked_asm!(
        "stp x29, x30, [sp, -16]!",
        "mov x29, sp",
        "sub sp, sp, x0",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], 16",
        "ret",
    )
}
