//! Register tests: the part for aarch64.

use std::arch::{asm, naked_asm};

use super::arch::StackPointer;
use super::raw;

/// The registers that a call must preserve.
#[rustfmt::skip]
pub const CALLEE_SAVED: [&str; 19] = [
    "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29",
    "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15",
];
/// The numbers in unwind tables of those registers that the tables describe.
pub const DWARF_NUMBERS: [i32; 11] = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];
pub const FRAME_POINTER: usize = 10;
/// The stack pointer at the first instruction of a function, modulo 16.
pub const ENTRY_ALIGNMENT: usize = 0;
/// The instructions on which a `br x16` may land: `bti c`, `bti j`, `bti jc`.
pub const LANDING_PADS: [u32; 3] = [0xd503_245f, 0xd503_249f, 0xd503_24df];
/// The least distance between two instructions.
pub const INSTRUCTION_ALIGN: usize = 4;
/// The length of a `br x16`.
pub const JUMP_BYTES: usize = 4;
/// `brk #1`.
pub const TRAP: [u8; 4] = 0xd420_0020_u32.to_le_bytes();

/// Returns `true` if a switch begins with `code`.
pub fn begins_switch(code: u32) -> bool {
    // adr x9, ...
    code & 0x9f00_001f == 0x1000_0009
}

/// Returns `true` if a `leave` begins with `code`.
pub fn begins_leave(code: u32) -> bool {
    // ldp x29, x16, [x3]
    code == 0xa940_407d
}

/// Returns `true` if `code` is the jump at the end of a switch.
pub fn is_jump_to_context(code: u32) -> bool {
    // br x16
    code == 0xd61f_0200
}

/// Calls `call(argument)` with the canaries in all callee-saved registers, and stores
/// the values that these have afterwards and the change of the stack pointer.
///
/// # Safety
///
/// `canaries` and `found` must have room for all registers, and `found` for one
/// more; `call` must be sound to call with `argument`.
#[unsafe(naked)]
pub unsafe extern "C-unwind" fn hold(
    canaries: *const u64,
    found: *mut u64,
    call: unsafe extern "C-unwind" fn(*mut ()),
    argument: *mut (),
) {
    naked_asm!(
        ".cfi_startproc",
        // bti c
        "hint #34",
        "stp x29, x30, [sp, #-192]!",
        ".cfi_def_cfa_offset 192; .cfi_offset x29, -192; .cfi_offset x30, -184",
        "stp x19, x20, [sp, #16]; .cfi_offset x19, -176; .cfi_offset x20, -168",
        "stp x21, x22, [sp, #32]; .cfi_offset x21, -160; .cfi_offset x22, -152",
        "stp x23, x24, [sp, #48]; .cfi_offset x23, -144; .cfi_offset x24, -136",
        "stp x25, x26, [sp, #64]; .cfi_offset x25, -128; .cfi_offset x26, -120",
        "stp x27, x28, [sp, #80]; .cfi_offset x27, -112; .cfi_offset x28, -104",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "str x1, [sp, #160]",
        "mov x9, sp",
        "str x9, [sp, #168]",
        "ldp x19, x20, [x0, #0]",
        "ldp x21, x22, [x0, #16]",
        "ldp x23, x24, [x0, #32]",
        "ldp x25, x26, [x0, #48]",
        "ldp x27, x28, [x0, #64]",
        "ldr x29, [x0, #80]",
        "ldp d8, d9, [x0, #88]",
        "ldp d10, d11, [x0, #104]",
        "ldp d12, d13, [x0, #120]",
        "ldp d14, d15, [x0, #136]",
        "mov x0, x3",
        "blr x2",
        "ldr x9, [sp, #160]",
        "stp x19, x20, [x9, #0]",
        "stp x21, x22, [x9, #16]",
        "stp x23, x24, [x9, #32]",
        "stp x25, x26, [x9, #48]",
        "stp x27, x28, [x9, #64]",
        "str x29, [x9, #80]",
        "stp d8, d9, [x9, #88]",
        "stp d10, d11, [x9, #104]",
        "stp d12, d13, [x9, #120]",
        "stp d14, d15, [x9, #136]",
        "mov x10, sp",
        "ldr x11, [sp, #168]",
        "sub x10, x10, x11",
        "str x10, [x9, #152]",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #192",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
    )
}

/// Overwrites every register that a call may change, which includes the upper halves of
/// v8 to v15.
#[unsafe(naked)]
pub extern "C" fn scribble() {
    naked_asm!(
        ".cfi_startproc",
        // bti c
        "hint #34",
        "mov x0, #0x5c5c",
        "movk x0, #0x5c5c, lsl #32",
        "mov x1, x0",
        "mov x2, x0",
        "mov x3, x0",
        "mov x4, x0",
        "mov x5, x0",
        "mov x6, x0",
        "mov x7, x0",
        "mov x8, x0",
        "mov x9, x0",
        "mov x10, x0",
        "mov x11, x0",
        "mov x12, x0",
        "mov x13, x0",
        "mov x14, x0",
        "mov x15, x0",
        "mov x16, x0",
        "mov x17, x0",
        "dup v0.2d, x0",
        "dup v1.2d, x0",
        "dup v2.2d, x0",
        "dup v3.2d, x0",
        "dup v4.2d, x0",
        "dup v5.2d, x0",
        "dup v6.2d, x0",
        "dup v7.2d, x0",
        "dup v16.2d, x0",
        "dup v17.2d, x0",
        "dup v18.2d, x0",
        "dup v19.2d, x0",
        "dup v20.2d, x0",
        "dup v21.2d, x0",
        "dup v22.2d, x0",
        "dup v23.2d, x0",
        "dup v24.2d, x0",
        "dup v25.2d, x0",
        "dup v26.2d, x0",
        "dup v27.2d, x0",
        "dup v28.2d, x0",
        "dup v29.2d, x0",
        "dup v30.2d, x0",
        "dup v31.2d, x0",
        "mov v8.d[1], x0",
        "mov v9.d[1], x0",
        "mov v10.d[1], x0",
        "mov v11.d[1], x0",
        "mov v12.d[1], x0",
        "mov v13.d[1], x0",
        "mov v14.d[1], x0",
        "mov v15.d[1], x0",
        "ret",
        ".cfi_endproc",
    )
}

/// Returns the stack pointer at the first instruction of this function.
#[unsafe(naked)]
pub extern "C" fn stack_pointer_at_entry() -> usize {
    naked_asm!(".cfi_startproc", "hint #34", "mov x0, sp", "ret", ".cfi_endproc")
}

/// Stores the state at the entry of a raw context, and continues in [`raw::start`].
///
/// # Safety
///
/// This is not an ordinary function: only `arch::prepare` may use it.
#[unsafe(naked)]
pub unsafe extern "C" fn first_function(
    word: raw::Word,
    resumer: StackPointer,
    control: *mut (),
) -> ! {
    naked_asm!(
        ".cfi_startproc",
        // bti c
        "hint #34",
        "mov x9, sp",
        "str x9, [x2, #16]",
        "str x29, [x2, #24]",
        "str x30, [x2, #32]",
        "b {start}",
        ".cfi_endproc",
        start = sym raw::start,
    )
}

/// Sets the rounding mode.
#[inline(always)]
pub fn set_rounding(mode: u8) {
    // SAFETY: the value is a valid FPCR, and the tests here compute with no floats.
    unsafe { asm!("msr fpcr, {}", in(reg) u64::from(mode) << 22) };
}

/// Returns the rounding mode, or `None` if any other field differs from the default.
#[inline(always)]
pub fn rounding() -> Option<u8> {
    let fpcr: u64;
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mrs {}, fpcr", out(reg) fpcr) };
    (fpcr & !(3 << 22) == 0).then_some((fpcr >> 22) as u8)
}
