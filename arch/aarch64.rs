//! aarch64, AAPCS64.
//!
//! Callee-saved: x19 to x29, the low halves of v8 to v15, sp, and the control
//! bits of FPCR (Procedure Call Standard for the Arm 64-bit Architecture,
//! "Registers"). x20 to x28 and the vectors are declared clobbered. LLVM reserves x19 and x29,
//! so a switch stores them. FPCR belongs to the OS thread unless `fp-env` is on. There is no
//! red zone: the memory below sp is never in use.

use super::{Entry, StackPointer, Word};
use core::arch::{asm, naked_asm};

pub(crate) const NAME: &str = "aarch64";

/// The alignment of sp whenever it is used to address memory.
pub(crate) const STACK_ALIGN: usize = 16;

/// The words at the stack pointer of a suspended context, lowest address first.
#[repr(C, align(16))]
pub(crate) struct Saved {
    x29: *mut (),
    pc: unsafe extern "C" fn(),
    x19: Entry,
    /// FPCR with `fp-env`, padding without.
    fpcr: u64,
}

impl Saved {
    /// Returns a context for a root that expects its control block in x29 and the function to call in
    /// x19. An FPCR of zero is the state in which a process starts: round to nearest, no traps.
    #[inline(always)]
    pub(crate) fn first(control: *mut (), root: unsafe extern "C" fn(), entry: Entry) -> Saved {
        Saved { x29: control, pc: root, x19: entry, fpcr: 0 }
    }

    /// Returns `true` if the context has never been entered. `root` must be its root.
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

/// Brackets the instructions between which a frame has no caller for an unwinder.
///
/// There the registers from which its unwind table computes the caller belong to another context,
/// or have moved: an unwinder, such as that of a profiler's signal handler, would read arbitrary
/// memory. The table cannot describe them, because the compiler chooses the register that it
/// computes from. So it says that there is no caller, and a backtrace ends there.
macro_rules! no_caller {
    (begin) => {
        ".cfi_remember_state
         .cfi_undefined lr"
    };
    (end) => {
        ".cfi_restore_state"
    };
}

/// Saves this context on its own stack; see [`Saved`].
macro_rules! save {
    () => {
        concat!(
            no_caller!(begin),
            "
             adr x9, 2f
             stp x29, x9, [sp, #-32]!
             str x19, [sp, #16]
             ",
            fp_env!(save),
        )
    };
}

/// The place at which a switch enters this context again. The hint is `bti j`. The trap is never
/// executed. A debugger that takes the place for a return address looks up the instruction before
/// it, so the caller has to be known there as well.
macro_rules! landing {
    () => {
        concat!(
            no_caller!(end),
            "
             brk #1
             2:
             hint #36"
        )
    };
}

/// Leaves this context, saves its stack pointer to `*save`, and enters `to`. Returns
/// the word of the switch that enters this context again.
///
/// # Safety
///
/// `to` must come from [`super::prepare`] or from a switch that saved it, and must not have been
/// entered since. Its stack must be alive and belong to this OS thread. `save` must be valid for
/// a write. `word` must be what the switch that left `to` expects.
#[inline(always)]
pub(crate) unsafe fn switch(save: *mut StackPointer, to: StackPointer, mut word: Word) -> Word {
    // SAFETY: every register that is not restored is declared clobbered, so the compiler keeps
    // nothing in it. `to` is a suspended context on a live stack, and `save` is valid for a
    // write (see # Safety).
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

/// Enters the coroutine at `to` as its resumer. Like [`switch`], and in addition the coroutine
/// receives the stack pointer of this context, plus `MARK`, in a register. Returns the stack
/// pointer (or the mark of an end) and the word that the coroutine passes when it suspends or
/// ends.
///
/// Before the coroutine is entered, `*link` becomes this context's stack pointer, so that an
/// unwinder that interrupts the coroutine at any instruction finds its resumer. A loop resumes
/// from the same place each time, so `*link` is compared first: a store of an equal value would
/// still wait for its cache line. (Measured on x86_64.)
///
/// # Safety
///
/// As for [`switch`], with `link` in the place of `save`. `MARK` must be less than the alignment
/// of a context.
#[inline(always)]
pub(crate) unsafe fn resume<const MARK: usize>(
    link: *mut StackPointer,
    to: StackPointer,
    mut word: Word,
) -> (StackPointer, Word) {
    let from;
    // SAFETY: every register that is not restored is declared clobbered, so the compiler keeps
    // nothing in it. `to` is a suspended context on a live stack, and `link` is valid for a
    // write (see # Safety). The alignment of a context leaves the bits of `MARK` free.
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

/// Enters the resumer at `to`. Like [`resume`], but writes nothing except on this stack.
///
/// # Safety
///
/// As for [`switch`], except for `save`.
#[inline(always)]
pub(crate) unsafe fn suspend(to: StackPointer, mut word: Word) -> (StackPointer, Word) {
    let from;
    // SAFETY: every register that is not restored is declared clobbered, so the compiler keeps
    // nothing in it. `to` is a suspended context on a live stack (see # Safety).
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

/// Enters `to` and never returns: this context will not run again. If `to` was left by a call of
/// [`resume`], that call returns `from` and `word`.
///
/// # Safety
///
/// As for [`switch`], except for `save`. Nothing on this stack may need dropping.
#[inline(always)]
pub(crate) unsafe fn leave(to: StackPointer, from: usize, word: Word) -> ! {
    // SAFETY: `to` is a suspended context on a live stack (see # Safety). This context is never
    // entered again, so no register has to be kept.
    unsafe {
        asm!(
            no_caller!(begin),
            enter!(),
            no_caller!(end),
            in("x0") word,
            in("x1") from,
            in("x3") to,
            options(noreturn),
        )
    }
}

/// Calls the first function of a coroutine, as the root frame of its stack. The first switch to
/// the coroutine enters it, with the control block in x29 and the function to call in x19.
///
/// It is marked as a signal frame, because gdb refuses any other frame at an address below its
/// caller's, and a coroutine's stack may lie below its resumer's.
///
/// # Safety
///
/// Not callable: it may only be given to [`super::prepare`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn coroutine_root() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // The caller of this frame is the context with the stack pointer in
        // the link that x29 points to. DW_CFA_def_cfa_expression, 5 bytes:
        // DW_OP_breg29 (x29) 0; DW_OP_deref; DW_OP_plus_uconst 32.
        ".cfi_escape 0x0f, 5, 0x8d, 0x00, 0x06, 0x23, 32",
        ".cfi_offset x19, -16",
        ".cfi_offset lr, -24",
        ".cfi_offset x29, -32",
        // bti jc
        "hint #38",
        "mov x2, x29",
        // A jump with a return address instead of a call: `entry` never returns, and a call
        // would leave its address in the predictor, where another return would consume it.
        "adr lr, 2f",
        // The return address of the frame record in the control block.
        "str lr, [x29, #8]",
        "mov x16, x19",
        "br x16",
        // In a signal frame the unwinder looks up the return address itself,
        // not the instruction before it, so it must lie inside this function.
        "2:",
        "brk #1",
        ".cfi_endproc",
    )
}

/// Calls the first function of a green thread, as the root frame of its stack. Like
/// [`coroutine_root`], but it has no caller: unwinding and the frame-pointer chain end here.
///
/// # Safety
///
/// Not callable: it may only be given to [`super::prepare`].
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

/// Prefetches the cache line of `address`, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    // SAFETY: a prefetch never faults and changes nothing that a program can observe.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}

/// Returns the stack pointer of this context.
///
/// The compiler may move a call within its function, and merge two calls, because a function
/// runs on one stack from its call to its return. A loop therefore reads the register once.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let address: usize;
    // SAFETY: it only reads a register.
    unsafe {
        asm!("mov {}, sp", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// Returns `true` if this OS thread runs with a guarded control stack (GCS). A switch does not
/// change the guarded control stack, so the next return after it would fault.
pub(crate) fn shadow_stack_enabled() -> bool {
    let mut feature: u64 = 1;
    // SAFETY: hint #40 is chkfeat x16, which only writes x16: it clears bit 0 if the guarded
    // control stack is on, and is a no-op on processors that do not know it (Arm Architecture
    // Reference Manual, CHKFEAT).
    unsafe {
        asm!("hint #40", inout("x16") feature, options(nomem, nostack));
    }
    feature == 0
}

/// Makes a Valgrind client request: a sequence of rotations that changes nothing on a real
/// processor and that Valgrind recognises (valgrind.h,
/// "arm64-linux"). Returns `otherwise` when not under Valgrind.
pub(crate) fn annotate(request: &[usize; 6], otherwise: usize) -> usize {
    let mut answer = otherwise;
    // SAFETY: the rotations add up to whole turns, and orr of x10 with itself does nothing.
    // Valgrind reads the six words at `request` and writes only x3.
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
