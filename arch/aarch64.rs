//! aarch64, AAPCS64.
//!
//! Callee-saved: x19 to x29, the low halves of v8 to v15, sp, and the control
//! bits of FPCR (Procedure Call Standard for the Arm 64-bit Architecture,
//! "Registers"). x20 to x28 and the vectors are declared clobbered; x19 and x29
//! are LLVM's own and are stored; FPCR belongs to the OS thread unless `fp-env`
//! is on. There is no red zone: below sp nothing is ours.

use super::{Entry, StackPointer, Word};
use core::arch::{asm, naked_asm};

pub(crate) const NAME: &str = "aarch64";

/// sp is a multiple of this whenever it is used to address memory.
pub(crate) const STACK_ALIGN: usize = 16;

/// What lies at the stack pointer of a suspended context, lowest address first.
#[repr(C, align(16))]
pub(crate) struct Saved {
    x29: *mut (),
    pc: unsafe extern "C" fn(),
    x19: Entry,
    /// FPCR with `fp-env`, padding without.
    fpcr: u64,
}

impl Saved {
    /// A context whose root finds its control block in x29 and the function to
    /// call in x19. An FPCR of zero is the state in which a process starts:
    /// round to nearest, no traps.
    #[inline(always)]
    pub(crate) fn first(control: *mut (), root: unsafe extern "C" fn(), entry: Entry) -> Saved {
        Saved { x29: control, pc: root, x19: entry, fpcr: 0 }
    }

    /// Has the context never been entered?
    pub(crate) fn is_first(&self, root: unsafe extern "C" fn()) -> bool {
        self.pc as usize == root as usize
    }
}

#[cfg(feature = "fp-env")]
macro_rules! fp_env {
    (save) => {
        "mrs x10, fpcr
         str x10, [sp, #24]"
    };
    (restore) => {
        "ldr x10, [x3, #24]
         msr fpcr, x10"
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
}

/// Enters the context at x3.
macro_rules! enter {
    () => {
        concat!(
            "ldp x29, x16, [x3]
             ldr x19, [x3, #16]
             ",
            fp_env!(restore),
            "
             add sp, x3, #32
             br x16"
        )
    };
}

/// Saves this context: see [`Saved`].
macro_rules! save {
    () => {
        concat!(
            "adr x9, 2f
             stp x29, x9, [sp, #-32]!
             str x19, [sp, #16]
             ",
            fp_env!(save),
        )
    };
}

/// The place at which a switch enters this context again. The hint is `bti j`.
macro_rules! landing {
    () => {
        "2:
         hint #36"
    };
}

/// Leaves this context, saves its stack pointer to `*save`, and enters `to`. Returns
/// the word of the switch that enters this context again.
///
/// # Safety
///
/// `to` must come from [`super::prepare`], or be a saved stack pointer that nothing has
/// entered since; its stack must be alive and on this OS thread. `save` must be
/// valid for a write. The caller must keep to the meaning of `word` that the other side
/// expects.
#[inline(always)]
pub(crate) unsafe fn switch(save: *mut StackPointer, to: StackPointer, mut word: Word) -> Word {
    // SAFETY: every register that is not restored is declared clobbered, and
    // the caller vouches for both contexts.
    unsafe {
        asm!(
            save!(),
            "mov x9, sp",
            "str x9, [x2]",
            enter!(),
            landing!(),
            inlateout("x0") word,
            lateout("x1") _,
            inlateout("x2") save => _,
            inlateout("x3") to => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    word
}

/// Enters the coroutine at `to` as its resumer: as [`switch`], and the entered context
/// receives this context's stack pointer, plus `MARK`, in a register. Returns what the
/// coroutine passes in the same way when it suspends or ends, and its word.
///
/// Before the coroutine is entered, `*link` becomes this context's stack pointer, so that an
/// unwinder that interrupts the coroutine at any instruction finds its resumer. A loop resumes
/// from the same place each time, so `*link` is compared first: a store that changes nothing
/// would still wait for its cache line. (Measured on x86_64.)
///
/// # Safety
///
/// As for [`switch`]. `MARK` must be less than the alignment of a context.
#[inline(always)]
pub(crate) unsafe fn resume<const MARK: usize>(
    link: *mut StackPointer,
    to: StackPointer,
    mut word: Word,
) -> (StackPointer, Word) {
    let from;
    // SAFETY: as for `switch`.
    unsafe {
        asm!(
            save!(),
            "ldr x10, [x2]",
            "mov x9, sp",
            "cmp x10, x9",
            "b.ne 3f",
            "4:",
            "add x1, x9, #{mark}",
            enter!(),
            "3:",
            "str x9, [x2]",
            "b 4b",
            landing!(),
            mark = const MARK,
            inlateout("x0") word,
            // Not late: x1 is written while the inputs are still needed.
            out("x1") from,
            inlateout("x2") link => _,
            inlateout("x3") to => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    (from, word)
}

/// Enters the resumer at `to`: as [`resume`], but nothing is written except on this
/// stack.
///
/// # Safety
///
/// As for [`switch`].
#[inline(always)]
pub(crate) unsafe fn suspend(to: StackPointer, mut word: Word) -> (StackPointer, Word) {
    let from;
    // SAFETY: as for `switch`.
    unsafe {
        asm!(
            save!(),
            "mov x1, sp",
            enter!(),
            landing!(),
            inlateout("x0") word,
            // Not late: x1 is written while `to` is still needed.
            out("x1") from,
            inlateout("x3") to => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    (from, word)
}

/// Enters `to` for ever: this context will not run again. Where `to` has called
/// [`resume`], that returns `from` and `word`.
///
/// # Safety
///
/// As for [`switch`]. Nothing on this stack may need dropping.
#[inline(always)]
pub(crate) unsafe fn leave(to: StackPointer, from: usize, word: Word) -> ! {
    // SAFETY: as for `switch`; there is nothing to save.
    unsafe {
        asm!(
            enter!(),
            in("x0") word,
            in("x1") from,
            in("x3") to,
            options(noreturn),
        )
    }
}

/// The root frame of a coroutine. Entered by the first switch to it, with the
/// control block in x29 and the function to call in x19.
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
        // the link that x29 points to. DW_CFA_def_cfa_expression, 5 bytes:
        // DW_OP_breg29 (x29) 0; DW_OP_deref; DW_OP_plus_uconst 32.
        ".cfi_escape 0x0f, 5, 0x8d, 0x00, 0x06, 0x23, 32",
        ".cfi_offset x19, -16",
        ".cfi_offset lr, -24",
        ".cfi_offset x29, -32",
        // bti jc
        "hint #38",
        "mov x2, x29",
        // A call in all but name: `entry` never returns, and a real call would
        // leave its return address in the predictor for somebody else's return.
        "adr lr, 2f",
        "mov x16, x19",
        "br x16",
        // In a signal frame the unwinder looks up the return address itself,
        // not the instruction before it, so it must lie inside this function.
        "2:",
        "brk #1",
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
        ".cfi_undefined lr",
        // bti jc
        "hint #38",
        "mov x2, x29",
        "adr lr, 2f",
        "mov x16, x19",
        "br x16",
        "2:",
        "brk #1",
        ".cfi_endproc",
    )
}

/// Asks the processor to load the cache line of `address`, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    // SAFETY: a prefetch is a hint: it never faults and changes nothing that a program
    // can see.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}

/// Returns the stack pointer of this context.
///
/// The compiler may move a call within its function, and make one of two: a function
/// runs on one stack from its call to its return. So a loop asks once.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let address: usize;
    // SAFETY: a register is read.
    unsafe {
        asm!("mov {}, sp", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// Does this thread run with a guarded control stack (GCS)? A switch would
/// leave it behind, and the next return would fault.
pub(crate) fn shadow_stack_enabled() -> bool {
    let mut feature: u64 = 1;
    // SAFETY: hint #40 is chkfeat x16: it clears bit 0 of x16 if the guarded
    // control stack is on, and is a no-op on processors that do not know it
    // (Arm Architecture Reference Manual, CHKFEAT).
    unsafe {
        asm!("hint #40", inout("x16") feature, options(nomem, nostack));
    }
    feature == 0
}

/// Could the code at `address` be in the middle of a switch, or of a `leave`, where
/// the stack pointer is not what unwind tables say? If it cannot be told, it could.
///
/// # Safety
///
/// `address` must be one of code that this OS thread is running.
pub(crate) unsafe fn may_switch_at(address: usize) -> bool {
    // add sp, x3, #32; br x16: no other code has these two.
    const ENTER: [u8; 8] = [0x7f, 0x80, 0x00, 0x91, 0x00, 0x02, 0x1f, 0xd6];
    // The most bytes that a switch has before these two instructions, and from their first
    // byte to the last instruction before the landing pad.
    const BEFORE: usize = 64;
    const FROM: usize = 12;
    // SAFETY: as the caller says.
    let code = unsafe { super::code_around(address, FROM, BEFORE + ENTER.len()) };
    code.is_none_or(|code| code.windows(ENTER.len()).any(|window| window == ENTER))
}

/// Makes a Valgrind client request: a sequence of rotations that changes
/// nothing on a real processor and that Valgrind recognises (valgrind.h,
/// "arm64-linux"). Returns `otherwise` when not under Valgrind.
pub(crate) fn annotate(request: &[usize; 6], otherwise: usize) -> usize {
    let mut answer = otherwise;
    // SAFETY: the rotations add up to whole turns, and orr of x10 with itself
    // does nothing.
    unsafe {
        asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inout("x12") 0usize => _,
            in("x4") request.as_ptr(),
            inout("x3") answer,
            options(nostack),
        );
    }
    answer
}
