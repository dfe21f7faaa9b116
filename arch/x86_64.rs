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
        "ldmxcsr [rcx + 24]
         fldcw [rcx + 28]
         lea rsp, [rcx + 32]"
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
        "lea rsp, [rcx + 24]"
    };
    (cfa) => {
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 24
         .cfi_offset rbx, -8
         .cfi_offset rip, -16
         .cfi_offset rbp, -24"
    };
}

/// Enters the context at rcx.
///
/// Loads relative to rcx, not pops: resume + suspend takes 2.3 ns with pops on a
/// Zen 5, and 1.7 ns with loads.
macro_rules! enter {
    () => {
        concat!(
            "mov rax, [rcx + 8]
             mov rbp, [rcx]
             mov rbx, [rcx + 16]
             ",
            fp_env!(restore),
            "
             jmp rax"
        )
    };
}

/// Saves this context: see [`Saved`].
macro_rules! save {
    () => {
        concat!(
            fp_env!(save),
            "
             push rbx
             lea rax, [rip + 2f]
             push rax
             push rbp"
        )
    };
}

/// The place at which a switch enters this context again.
///
/// It begins a block of 32 bytes, which the processor fetches in one go. Nothing runs the
/// padding. On a Golden Cove, a loop over a generator takes 2.0 ns instead of 2.7.
macro_rules! landing {
    () => {
        ".p2align 5
         2:
         endbr64"
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
            "mov [{save}], rsp",
            enter!(),
            landing!(),
            save = in(reg) save,
            inlateout("rcx") to => _,
            inlateout("rdi") word,
            lateout("rsi") _,
            // Not late: rax is written while `to` is still needed.
            out("rax") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
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
/// would still wait for its cache line. With 1,000 coroutines in turn, a round trip takes
/// 3.6 ns instead of 5.5 on a Golden Cove.
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
            "cmp [{link}], rsp",
            "jne 3f",
            "4:",
            "lea rsi, [rsp + {mark}]",
            enter!(),
            "3:",
            "mov [{link}], rsp",
            "jmp 4b",
            landing!(),
            link = in(reg) link,
            mark = const MARK,
            inlateout("rcx") to => _,
            inlateout("rdi") word,
            // Not late: rsi is written while `to` is still needed.
            out("rsi") from,
            // Not late: rax is written while `to` is still needed.
            out("rax") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
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
            "mov rsi, rsp",
            enter!(),
            landing!(),
            inlateout("rcx") to => _,
            inlateout("rdi") word,
            // Not late: rsi is written while `to` is still needed.
            out("rsi") from,
            // Not late: rax is written while `to` is still needed.
            out("rax") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
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
            in("rdi") word,
            in("rsi") from,
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
        "mov rdx, rbp",
        "lea rax, [rip + 2f]",
        "push rax",
        "jmp rbx",
        "2:",
        "ud2",
        ".cfi_endproc",
    )
}

/// Asks the processor to load the cache line of `address`, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    // SAFETY: a prefetch is a hint: it never faults and changes nothing that a program
    // can see.
    unsafe {
        asm!("prefetcht0 [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
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
        asm!("mov {}, rsp", out(reg) address, options(pure, nomem, nostack, preserves_flags));
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
    // lea rsp, [rcx + ...]; jmp rax: no other code has these two.
    const ENTER: [u8; 6] =
        [0x48, 0x8d, 0x61, if cfg!(feature = "fp-env") { 32 } else { 24 }, 0xff, 0xe0];
    // The most bytes that a switch has before these two instructions, and from their first
    // byte to the last instruction before the landing pad.
    const BEFORE: usize = if cfg!(feature = "fp-env") { 60 } else { 40 };
    const FROM: usize = 12;
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
