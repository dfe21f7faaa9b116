//! The context switch: the only assembly in leno.
//!
//! There is one file per instruction set, and `build.rs` compiles in the one
//! that fits the target. Each fills the same form:
//!
//! | item | what it is |
//! | --- | --- |
//! | `NAME` | the instruction set, as in `target_arch` |
//! | `STACK_ALIGN` | what the ABI wants of the stack pointer at a call |
//! | `Saved` | what a suspended context keeps at its stack pointer |
//! | `switch` | leaves this green thread's context for another's; returns when this one is entered again |
//! | `resume` | the same, from a resumer into its coroutine |
//! | `suspend` | the same, from a coroutine into its resumer |
//! | `leave` | enters another context for ever |
//! | `stack_pointer` | where this context's stack is now |
//! | `prefetch` | loads a cache line ahead of its use |
//! | `coroutine_root` | first code of a coroutine; its unwind table leads to the resumer |
//! | `thread_root` | first code of a green thread; the backtrace ends here |
//! | `shadow_stack_enabled` | does the processor check return addresses? |
//! | `annotate` | tells Valgrind about a stack |
//! | `may_switch_at` | could the code at an address be in the middle of a switch? |
//!
//! # The contract of a switch
//!
//! A switch pushes what the compiler cannot be told to save, takes `to` as the stack
//! pointer, and jumps to the address that `to` holds. A machine word travels in a
//! register and comes out of the switch that is entered: a value, or a pointer to one.
//!
//! The three differ in where the stack pointer of the context that is left is kept:
//!
//! | from | by | the stack pointer goes to |
//! | --- | --- | --- |
//! | a green thread | `switch` | `*save`, before the other context is entered |
//! | a resumer | `resume` | `*link`, before the coroutine is entered; and the coroutine, in a register |
//! | a coroutine | `suspend` | the resumer, in a register |
//!
//! A resumer and its coroutine hand each other their place in a register, because a word
//! in memory that one side writes and the other reads costs more than the rest of the
//! switch: the reader finds its address in a register that was reloaded a moment before,
//! runs ahead of the write that it should have waited for, and is started again. On a
//! Zen 5 that was a third of resume + suspend, and with many call sites twice its time. In a
//! register the place reaches the local variable in which the compiler keeps it.
//!
//! It is inlined at its call site. Every register that the ABI lets us name is
//! declared clobbered, so the compiler saves what is live there and nothing
//! else. Two registers cannot be named because LLVM keeps them for itself, the
//! frame pointer and the base pointer (`rbp` and `rbx`; `x29` and `x19`): those
//! are pushed by hand.
//!
//! Control moves by an indirect jump, not by a return. A processor predicts a
//! return from its stack of calls, and here the call was made on another stack;
//! each such return would be mispredicted. The target of the jump is a landing
//! pad (`endbr64`, `bti`), so a process may enforce those.
//!
//! Nothing is written below the stack pointer before it has moved: a signal
//! handler may run between any two instructions, and would overwrite it.
//!
//! # A suspended context
//!
//! ```text
//!   higher addresses
//!   |                             |
//!   |  frames of the context      |
//!   +-----------------------------+
//!   | fp environment (if saved)   |  feature `fp-env`
//!   | base pointer   rbx / x19    |
//!   | resume address              |  \ a frame record: it links the
//!   | frame pointer  rbp / x29    |  / frame-pointer chain
//!   +-----------------------------+ <- saved stack pointer
//! ```
//!
//! # A running coroutine
//!
//! ```text
//!    the coroutine's stack                     the resumer's stack
//!   +-----------------------------+
//!   | ...control block            |
//!   | return address of the root  |
//!   | link ------------------------------+    |                     |
//!   +-----------------------------+ <-+  |    |  frames             |
//!   |  root frame                 |   |  |    +---------------------+
//!   |  (frame pointer) -----------------+     | base pointer        |
//!   +-----------------------------+      |    | resume address      |
//!   |  entry, body, ...           |      |    | frame pointer       |
//!   |                             |      +--> +---------------------+
//! ```
//!
//! `link` is where the resumer is saved while the coroutine runs. The frame
//! pointer of the root points to it, so that the frame-pointer chain goes on
//! into the resumer; and the root's unwind table says the same in DWARF, so
//! that a backtrace does. It is right at every instruction of the coroutine: `resume`
//! writes it before it enters. While the coroutine is suspended nothing follows it. A
//! green thread has no resumer: there, both end.

use core::mem::MaybeUninit;

include!(concat!(env!("OUT_DIR"), "/isa.rs"));

pub(crate) use isa::{
    NAME, STACK_ALIGN, Saved, annotate, coroutine_root, leave, may_switch_at, prefetch, resume,
    shadow_stack_enabled, stack_pointer, suspend, switch, thread_root,
};

/// What a context's stack pointer points to while it is suspended.
pub(crate) type StackPointer = *mut Saved;

/// The word that travels with a switch: a small value, or a pointer to a large
/// one. It may have uninitialised bytes, as a small value with padding has.
pub(crate) type Word = MaybeUninit<usize>;

/// The first function of a context. Its root calls it with the word of the switch that
/// entered it, with the resumer's stack pointer (of no meaning in a green thread), and with
/// the address of its control block.
pub(crate) type Entry =
    unsafe extern "C" fn(word: Word, resumer: StackPointer, control: *mut ()) -> !;

/// The first two words of every control block. They are laid out as a frame
/// record because the root's frame pointer points to them.
#[repr(C)]
pub(crate) struct Link {
    /// Where the resumer of a running coroutine is saved, and where the frame-pointer
    /// chain goes on. Null in a green thread.
    pub(crate) context: core::cell::Cell<StackPointer>,
    /// Stands where a frame record has its return address.
    pub(crate) return_address: usize,
}

/// Prefetches cache lines, counted from the line of `address`.
#[inline(always)]
pub(crate) fn prefetch_lines(address: *const u8, lines: core::ops::Range<isize>) {
    /// The size of a cache line on all but a few processors.
    const LINE_BYTES: isize = 64;
    for line in lines {
        prefetch(address.wrapping_offset(line * LINE_BYTES));
    }
}

/// The code around `address`, from `before` bytes below it to `after` bytes
/// above; `None` where that reaches into another page, which may not be there.
///
/// # Safety
///
/// `address` must be one of code that this OS thread is running.
unsafe fn code_around<'a>(address: usize, before: usize, after: usize) -> Option<&'a [u8]> {
    /// The smallest page that there is.
    const PAGE_BYTES: usize = 4096;
    let (first, end) = (address.checked_sub(before)?, address.checked_add(after)?);
    if first / PAGE_BYTES != (end - 1) / PAGE_BYTES {
        return None;
    }
    // SAFETY: the processor has just fetched from this page, and nobody writes to
    // code.
    Some(unsafe {
        core::slice::from_raw_parts(core::ptr::with_exposed_provenance(first), before + after)
    })
}

/// Lays out a context that has never run: the first switch to the stack
/// pointer returned enters `root`, which calls `entry(word, resumer, control)`.
///
/// # Safety
///
/// `control` must be aligned to [`STACK_ALIGN`] and point into the top of a
/// stack of which nothing below `control` is in use, with room for a [`Saved`].
/// Its first field must be a [`Link`].
#[inline(always)]
pub(crate) unsafe fn prepare(
    control: *mut (),
    root: unsafe extern "C" fn(),
    entry: Entry,
) -> StackPointer {
    // SAFETY: the caller gives us the memory below `control`.
    unsafe {
        let saved = control.cast::<Saved>().sub(1);
        saved.write(Saved::first(control, root, entry));
        saved
    }
}
