//! x86_64, System V ABI.
//!
//! Callee-saved: rbx, rbp, r12 to r15, rsp, the control bits of MXCSR and the
//! x87 control word (System V ABI, AMD64 supplement, "Registers and the Stack
//! Frame"). r12 to r15 are declared clobbered; rbx and rbp are LLVM's own and are
//! pushed; the control words belong to the OS thread unless `fp-env` is on.

use super::{Entry, StackPointer, Word};
use core::arch::{asm, naked_asm};

pub(crate) const NAME: &str = "x86_64";

/// rsp is a multiple of this at every call.
pub(crate) const STACK_ALIGN: usize = 16;

/// What lies at the stack pointer of a suspended context, lowest address first.
#[repr(C)]
pub(crate) struct Saved {
    rbp: *mut (),
    rip: unsafe extern "C" fn(),
    rbx: Entry,
    /// MXCSR in the low half, the x87 control word in the high half.
    #[cfg(feature = "fp-env")]
    fp_environment: u64,
    #[cfg(not(feature = "fp-env"))]
    padding: usize,
}

impl Saved {
    /// A context whose root finds its control block in rbp and the function to
    /// call in rbx.
    #[inline(always)]
    pub(crate) fn first(control: *mut (), root: unsafe extern "C" fn(), entry: Entry) -> Saved {
        Saved {
            rbp: control,
            rip: root,
            rbx: entry,
            // All exceptions masked, round to nearest; x87 in extended
            // precision: the state in which the ABI starts a process.
            #[cfg(feature = "fp-env")]
            fp_environment: 0x0000_037f_0000_1f80,
            #[cfg(not(feature = "fp-env"))]
            padding: 0,
        }
    }

    /// Has the context never been entered?
    pub(crate) fn is_first(&self, root: unsafe extern "C" fn()) -> bool {
        self.rip as usize == root as usize
    }
}

// The pieces that differ with `fp-env`.
#[cfg(feature = "fp-env")]
macro_rules! fp_env {
    (save) => {
        "sub rsp, 8
         stmxcsr [rsp]
         fnstcw [rsp + 4]"
    };
    (restore) => {
        "ldmxcsr [rsp]
         fldcw [rsp + 4]
         add rsp, 8"
    };
    (align) => {
        ""
    };
    // DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg6 (rbp) 0; DW_OP_deref;
    // DW_OP_plus_uconst 32.
    (cfa) => {
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 32
         .cfi_offset rbx, -16
         .cfi_offset rip, -24
         .cfi_offset rbp, -32"
    };
}
#[cfg(not(feature = "fp-env"))]
macro_rules! fp_env {
    (save) => {
        ""
    };
    (restore) => {
        ""
    };
    // The root drops the padding, so that it is aligned.
    (align) => {
        "add rsp, 8"
    };
    (cfa) => {
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 24
         .cfi_offset rbx, -8
         .cfi_offset rip, -16
         .cfi_offset rbp, -24"
    };
}

/// The second half of a switch: takes the context at `to`.
macro_rules! enter {
    () => {
        concat!(
            "mov rsp, rcx
             pop rbp
             pop rax
             pop rbx
             ",
            fp_env!(restore),
            "
             jmp rax"
        )
    };
}

/// Leaves this context, which is saved to `*save`, and enters `to`. Returns
/// the words of whoever enters this one again.
///
/// # Safety
///
/// `to` must come from [`super::prepare`] or from a `save` that nothing has
/// entered since; its stack must be alive and on this OS thread. `save` must be
/// valid for a write. The caller must keep to the meaning of `word` and `tag`
/// that the other side expects.
#[inline(always)]
pub(crate) unsafe fn switch(
    save: *mut StackPointer,
    to: StackPointer,
    mut word: Word,
    mut tag: usize,
) -> (Word, usize) {
    // SAFETY: every register that is not restored is declared clobbered, and
    // the caller vouches for both contexts.
    unsafe {
        asm!(
            // Save this context.
            fp_env!(save),
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "push rbp",
            "mov [{save}], rsp",
            // Take the other one.
            enter!(),
            // Somebody has entered this context, and has restored its registers.
            "2:",
            "endbr64",
            inlateout("rdi") word,
            inlateout("rsi") tag,
            save = in(reg) save,
            inlateout("rcx") to => _,
            // Not late: rax is written while `to` is still needed.
            out("rax") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    (word, tag)
}

/// Enters `to` for ever: this context will not run again.
///
/// # Safety
///
/// As for [`switch`]. Nothing on this stack may need dropping.
#[inline(always)]
pub(crate) unsafe fn leave(to: StackPointer, word: Word, tag: usize) -> ! {
    // SAFETY: as for `switch`; there is nothing to save.
    unsafe {
        asm!(
            enter!(),
            in("rdi") word,
            in("rsi") tag,
            in("rcx") to,
            options(noreturn),
        )
    }
}

/// The root frame of a coroutine. Entered by the first switch to it, with the
/// control block in rbp and the function to call in rbx.
///
/// gdb refuses a frame below its caller's unless it is a signal frame, and a
/// coroutine's stack may well lie below its resumer's.
///
/// # Safety
///
/// Not a function: only [`super::prepare`] may name it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn coroutine_root() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // The caller of this frame is the context whose stack pointer is in
        // the link that rbp points to.
        fp_env!(cfa),
        "endbr64",
        fp_env!(align),
        "mov rdx, rbp",
        // A call in all but name: `entry` never returns, and a real call would
        // leave its return address in the predictor for somebody else's return.
        "lea rax, [rip + 2f]",
        "push rax",
        "jmp rbx",
        // In a signal frame the unwinder looks up the return address itself,
        // not the instruction before it, so it must lie inside this function.
        "2:",
        "ud2",
        ".cfi_endproc",
    )
}

/// The root frame of a green thread: as [`coroutine_root`], but nobody is
/// above it, so unwinding and the frame-pointer chain end here.
///
/// # Safety
///
/// Not a function: only [`super::prepare`] may name it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn thread_root() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "endbr64",
        fp_env!(align),
        "mov rdx, rbp",
        "lea rax, [rip + 2f]",
        "push rax",
        "jmp rbx",
        "2:",
        "ud2",
        ".cfi_endproc",
    )
}

/// Where the stack of this context is now.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let address: usize;
    // SAFETY: a register is read.
    unsafe {
        asm!("mov {}, rsp", out(reg) address, options(nomem, nostack, preserves_flags));
    }
    address
}

/// Does this thread run with a shadow stack (Intel CET, AMD SHSTK)? A switch
/// would leave it behind, and the next return would fault.
pub(crate) fn shadow_stack_enabled() -> bool {
    let pointer: u64;
    // SAFETY: rdsspq is a no-op where shadow stacks are off or unknown (Intel
    // SDM volume 2, RDSSPQ), and then leaves the zero.
    unsafe {
        asm!(
            "xor eax, eax",
            "rdsspq rax",
            out("rax") pointer,
            options(nomem, nostack),
        );
    }
    pointer != 0
}

/// Could the code at `address` be in the middle of a switch, or of a `leave`, where
/// the stack pointer is not what unwind tables say? If it cannot be told, it could.
///
/// # Safety
///
/// `address` must be one of code that this OS thread is running.
pub(crate) unsafe fn may_switch_at(address: usize) -> bool {
    // mov rsp, rcx; pop rbp; pop rax; pop rbx: nobody else writes that.
    const ENTER: [u8; 6] = [0x48, 0x89, 0xcc, 0x5d, 0x58, 0x5b];
    // At most so many bytes of a switch stand before that and from there on.
    const BEFORE: usize = 26;
    const FROM: usize = 20;
    // SAFETY: as the caller says.
    let code = unsafe { super::code_around(address, FROM, BEFORE + ENTER.len()) };
    code.is_none_or(|code| code.windows(ENTER.len()).any(|window| window == ENTER))
}

/// Makes a Valgrind client request: a sequence of rotations that changes
/// nothing on a real processor and that Valgrind recognises (valgrind.h,
/// "amd64-linux"). Returns `otherwise` when not under Valgrind.
pub(crate) fn annotate(request: &[usize; 6], otherwise: usize) -> usize {
    let mut answer = otherwise;
    // SAFETY: the rotations add up to whole turns, and xchg of rbx with itself
    // does nothing.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdi") 0usize => _,
            in("rax") request.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}
