//! The context switch: the only assembly in leno.
//!
//! There is one file per instruction set, and `build.rs` compiles in the file for the target.
//! Every file defines these items:
//!
//! | item | what it is |
//! | --- | --- |
//! | `NAME` | the instruction set, as in `target_arch` |
//! | `STACK_ALIGN` | the alignment of the stack pointer that the ABI requires at a call |
//! | `Saved` | the words that a suspended context keeps at its stack pointer |
//! | `switch` | leaves the context of the current green thread for another's; returns when the first context is entered again |
//! | `resume` | as `switch`, from a resumer into its coroutine |
//! | `suspend` | as `switch`, from a coroutine into its resumer |
//! | `leave` | enters another context, and never returns |
//! | `stack_pointer` | returns the stack pointer |
//! | `prefetch` | loads a cache line ahead of its use |
//! | `coroutine_root` | the first code of a coroutine; its unwind table leads to the resumer |
//! | `thread_root` | the first code of a green thread; the backtrace ends here |
//! | `shadow_stack_enabled` | returns `true` if the processor checks return addresses |
//! | `annotate` | tells Valgrind about a stack |
//!
//! # The contract of a switch
//!
//! A switch pushes the registers that the compiler cannot save, sets the stack pointer to
//! `to`, and jumps to the address that `to` holds. A machine word, which is a value or a
//! pointer to a value, travels in a register: the switch that left the entered context
//! returns it.
//!
//! The three switches differ in the place to which the stack pointer of the left context goes:
//!
//! | from | by | the stack pointer goes to |
//! | --- | --- | --- |
//! | a green thread | `switch` | `*save`, before the other context is entered |
//! | a resumer | `resume` | `*link`, before the coroutine is entered, and to the coroutine in a register |
//! | a coroutine | `suspend` | the resumer, in a register |
//!
//! A resumer and its coroutine pass their stack pointers to each other in a register. A word in
//! memory that one side writes and the other side reads costs more than the rest of the switch:
//! the load takes its address from a register that was reloaded just before, executes
//! speculatively ahead of the store on which it depends, and is replayed. On a Zen 5 that was a
//! third of resume + suspend, and with many call sites twice its time. From a register the stack
//! pointer reaches the local variable in which the compiler keeps it.
//!
//! A switch is inlined at its call site. Every register that inline assembly may name is
//! declared clobbered, so the compiler saves exactly the registers that are live there. LLVM
//! reserves two registers, the frame pointer and the base pointer (`rbp` and `rbx`; `x29` and
//! `x19`), which cannot be named: the switch pushes them itself.
//!
//! Control moves by an indirect jump, not by a return. A processor predicts a return from its
//! own stack of calls, but here the call was made on another stack, so each such return would be
//! mispredicted. The target of the jump is a landing pad (`endbr64`, `bti`), so a process may
//! enforce landing pads.
//!
//! Nothing is written below the stack pointer before the stack pointer has moved: a signal
//! handler may run between any two instructions, and overwrites the memory below it.
//!
//! In the middle of a switch and of `leave`, the unwind table says that the frame has no caller,
//! because it cannot describe the stack pointer there. A backtrace from a signal handler ends at
//! such a frame. At every other instruction it is complete.
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
//! While the coroutine runs, `link` holds the stack pointer of the suspended resumer. The root's
//! frame pointer points to `link`, so the frame-pointer chain continues into the resumer. The
//! root's unwind table says the same in DWARF, so a backtrace continues there too. `link` is
//! valid at every instruction of the coroutine, because `resume` writes it before it enters the
//! coroutine. While the coroutine is suspended, nothing reads `link`. A green thread has no
//! resumer: the frame-pointer chain and the backtrace end at its root.

use core::mem::MaybeUninit;

include!(concat!(env!("OUT_DIR"), "/isa.rs"));

pub(crate) use isa::{
    NAME, STACK_ALIGN, Saved, annotate, coroutine_root, leave, prefetch, resume,
    shadow_stack_enabled, stack_pointer, suspend, switch, thread_root,
};

/// The stack pointer of a suspended context: the address of its saved registers.
pub(crate) type StackPointer = *mut Saved;

/// The word that travels with a switch: a small value, or a pointer to a large one. Some of its
/// bytes may be uninitialised, because a small value may have padding.
pub(crate) type Word = MaybeUninit<usize>;

/// The first function of a context. The root calls it with the word of the switch that
/// entered the context, the resumer's stack pointer (without meaning in a green thread), and
/// the address of the context's control block.
pub(crate) type Entry =
    unsafe extern "C" fn(word: Word, resumer: StackPointer, control: *mut ()) -> !;

/// The first two words of every control block. They have the layout of a frame record because
/// the root's frame pointer points to them.
#[repr(C)]
pub(crate) struct Link {
    /// The stack pointer of a running coroutine's resumer, and the next element of the
    /// frame-pointer chain. Null in a green thread.
    pub(crate) context: core::cell::Cell<StackPointer>,
    /// The return address of the frame record, which a coroutine's root writes: an address inside
    /// of the root. (A profiler that follows frame pointers looks up the byte before it.)
    pub(crate) return_address: core::cell::Cell<usize>,
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

/// Lays out a context that has never run, and returns its stack pointer. The first switch to it
/// enters `root`, which calls `entry(word, resumer, control)`.
///
/// # Safety
///
/// `control` must be aligned to [`STACK_ALIGN`] and be on a stack of which nothing below
/// `control` is in use, with room for a [`Saved`]. The first field at `control` must be a
/// [`Link`].
#[inline(always)]
pub(crate) unsafe fn prepare(
    control: *mut (),
    root: unsafe extern "C" fn(),
    entry: Entry,
) -> StackPointer {
    // SAFETY: the memory below `control` is unused, has room for a `Saved`, and `control` is
    // aligned to STACK_ALIGN, of which the alignment of `Saved` is a divisor (see # Safety).
    unsafe {
        let saved = control.cast::<Saved>().sub(1);
        saved.write(Saved::first(control, root, entry));
        saved
    }
}
