//! Register tests: the part for x86_64.

use std::arch::{asm, naked_asm};

use super::arch::StackPointer;
use super::raw;

/// The registers that a call must preserve.
pub const CALLEE_SAVED: [&str; 6] = ["rbx", "rbp", "r12", "r13", "r14", "r15"];
/// The numbers in unwind tables of those registers that the tables describe.
pub const DWARF_NUMBERS: [i32; 6] = [3, 6, 12, 13, 14, 15];
pub const FRAME_POINTER: usize = 1;
/// The stack pointer at the first instruction of a function, modulo 16.
pub const ENTRY_ALIGNMENT: usize = 8;
/// The instruction on which an indirect jump may land (`endbr64`).
pub const LANDING_PADS: [u32; 1] = [0xfa1e_0ff3];
/// The least distance between two instructions.
pub const INSTRUCTION_ALIGN: usize = 1;
/// The length of a `jmp rax`.
pub const JUMP_BYTES: usize = 2;
/// `ud2`.
pub const TRAP: [u8; 2] = [0x0f, 0x0b];

/// Returns `true` if a switch begins with `code`.
pub fn begins_switch(code: u32) -> bool {
    // sub rsp, 8; or push rbx, and the first three bytes of lea rax, [rip + ...]
    code == if cfg!(feature = "fp-env") { 0x08ec_8348 } else { 0x058d_4853 }
}

/// Returns `true` if a `leave` begins with `code`.
pub fn begins_leave(code: u32) -> bool {
    // mov rax, [rcx + 8]
    code == 0x0841_8b48
}

/// Returns `true` if `code` begins with the jump at the end of a switch.
pub fn is_jump_to_context(code: u32) -> bool {
    // jmp rax
    code & 0xffff == 0xe0ff
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
        "endbr64",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "push rbx",
        ".cfi_def_cfa_offset 24",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_def_cfa_offset 40",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_def_cfa_offset 48",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_def_cfa_offset 56",
        ".cfi_offset r15, -56",
        "push rsi",
        ".cfi_def_cfa_offset 64",
        "sub rsp, 16",
        ".cfi_def_cfa_offset 80",
        "mov rbx, [rdi]",
        "mov rbp, [rdi + 8]",
        "mov r12, [rdi + 16]",
        "mov r13, [rdi + 24]",
        "mov r14, [rdi + 32]",
        "mov r15, [rdi + 40]",
        "mov rdi, rcx",
        "mov [rsp], rsp",
        "call rdx",
        "mov rcx, [rsp + 16]",
        "mov [rcx], rbx",
        "mov [rcx + 8], rbp",
        "mov [rcx + 16], r12",
        "mov [rcx + 24], r13",
        "mov [rcx + 32], r14",
        "mov [rcx + 40], r15",
        "mov rax, rsp",
        "sub rax, [rsp]",
        "mov [rcx + 48], rax",
        "add rsp, 24",
        ".cfi_def_cfa_offset 56",
        "pop r15",
        ".cfi_def_cfa_offset 48",
        "pop r14",
        ".cfi_def_cfa_offset 40",
        "pop r13",
        ".cfi_def_cfa_offset 32",
        "pop r12",
        ".cfi_def_cfa_offset 24",
        "pop rbx",
        ".cfi_def_cfa_offset 16",
        "pop rbp",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Overwrites every register that a call may change.
#[unsafe(naked)]
pub extern "C" fn scribble() {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "mov rax, 0x5c5c5c5c5c5c5c5c",
        "mov rcx, rax",
        "mov rdx, rax",
        "mov rsi, rax",
        "mov rdi, rax",
        "mov r8, rax",
        "mov r9, rax",
        "mov r10, rax",
        "mov r11, rax",
        "movq xmm0, rax",
        "movaps xmm1, xmm0",
        "movaps xmm2, xmm0",
        "movaps xmm3, xmm0",
        "movaps xmm4, xmm0",
        "movaps xmm5, xmm0",
        "movaps xmm6, xmm0",
        "movaps xmm7, xmm0",
        "movaps xmm8, xmm0",
        "movaps xmm9, xmm0",
        "movaps xmm10, xmm0",
        "movaps xmm11, xmm0",
        "movaps xmm12, xmm0",
        "movaps xmm13, xmm0",
        "movaps xmm14, xmm0",
        "movaps xmm15, xmm0",
        "ret",
        ".cfi_endproc",
    )
}

/// Returns the stack pointer at the first instruction of this function.
#[unsafe(naked)]
pub extern "C" fn stack_pointer_at_entry() -> usize {
    naked_asm!(".cfi_startproc", "endbr64", "mov rax, rsp", "ret", ".cfi_endproc")
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
        "endbr64",
        "mov [rdx + 16], rsp",
        "mov [rdx + 24], rbp",
        "mov rax, [rsp]",
        "mov [rdx + 32], rax",
        "jmp {start}",
        ".cfi_endproc",
        start = sym raw::start,
    )
}

/// Sets the rounding mode of both floating-point units.
#[inline(always)]
pub fn set_rounding(mode: u8) {
    let mxcsr = 0x1f80 | u32::from(mode) << 13;
    let x87 = 0x037f | u16::from(mode) << 10;
    // SAFETY: the control words are valid, and the tests here compute with no floats.
    unsafe { asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &mxcsr, in(reg) &x87) };
}

/// Returns the rounding mode, or `None` if any other field differs from the default or
/// the two units differ.
#[inline(always)]
pub fn rounding() -> Option<u8> {
    let (mut mxcsr, mut x87) = (0u32, 0u16);
    // SAFETY: both instructions store to a variable of their size.
    unsafe { asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &mut mxcsr, in(reg) &mut x87) };
    let mode = (mxcsr >> 13 & 3) as u8;
    let expected = (0x1f80 | u32::from(mode) << 13, 0x037f | u16::from(mode) << 10);
    // The low six bits of MXCSR are flags of past operations.
    ((mxcsr & !0x3f, x87) == expected).then_some(mode)
}
