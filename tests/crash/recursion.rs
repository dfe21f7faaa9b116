//! Functions that overflow the stack.

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

/// Calls itself until there is no stack left, and returns nothing.
pub fn overflow() {
    black_box(deep(0));
}

/// Fills a frame of `BYTES`.
#[inline(never)]
pub fn large_frame<const BYTES: usize>() {
    let mut frame = [0u8; BYTES];
    black_box(&mut frame).fill(1);
}

/// Calls itself, with a frame of `BYTES` each time, until there is no stack left.
#[inline(never)]
pub fn deep_and_large<const BYTES: usize>(depth: u64) {
    let mut frame = [0u8; BYTES];
    black_box(&mut frame)[BYTES / 2] = 1;
    if depth < u64::MAX {
        deep_and_large::<BYTES>(depth + 1);
    }
    black_box(&mut frame);
}

/// A value with a destructor that overflows the stack.
pub struct DeepDrop;

impl Drop for DeepDrop {
    fn drop(&mut self) {
        overflow();
    }
}

/// Silences the panic hook, so that standard error has only the report.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|_| {}));
}

/// Calls `function` with the stack pointer `bytes` lower, like C code that allocates a
/// large frame without probing it.
///
/// # Safety
///
/// `bytes` must be a multiple of 16, and the test must expect the fault.
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

/// Calls `function` with the stack pointer `bytes` lower, like C code that allocates a
/// large frame without probing it.
///
/// # Safety
///
/// `bytes` must be a multiple of 16, and the test must expect the fault.
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

/// Returns the lowest usable address of the OS thread's stack.
pub fn limit_of_os_thread() -> usize {
    // SAFETY: pthread_getattr_np initialises the attributes, which the other calls read and free.
    unsafe {
        let mut attributes = std::mem::zeroed();
        let (mut limit, mut bytes) = (std::ptr::null_mut(), 0);
        assert_eq!(libc::pthread_getattr_np(libc::pthread_self(), &mut attributes), 0);
        libc::pthread_attr_getstack(&attributes, &mut limit, &mut bytes);
        libc::pthread_attr_destroy(&mut attributes);
        limit.addr()
    }
}
