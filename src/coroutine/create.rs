//! Creating a coroutine: the words at the top of its stack, and the first function that runs there.

use std::any::type_name;
use std::mem::{ManuallyDrop, align_of, size_of};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;

use super::control::{Control, PANICKED, RETURNED};
use super::raw::RawCoroutine;
use super::transfer::{decode, encode};
use super::yielder::Yielder;
use crate::arch::{self, StackPointer, Word};
use crate::stack::{Body, Stack, sanitizer};

/// The control block and the closure at the top of a coroutine's stack.
#[repr(C)]
struct Block<F> {
    control: Control,
    closure: F,
}

/// Panics with the sizes of a closure and of the stack that is too small for it.
#[track_caller]
fn closure_too_large(closure_bytes: usize, stack_bytes: usize) -> ! {
    panic!(
        "the closure takes {closure_bytes} bytes, more than half of the coroutine's stack of \
         {stack_bytes} bytes; give it a larger one, or box what the closure captures"
    )
}

/// Creates a coroutine that will run `closure` on `stack`. Reports name it after the type `N`.
///
/// # Panics
///
/// If the closure takes more than half of the stack.
#[inline(always)]
#[track_caller]
pub(super) fn create<I, Y, R, N, F>(stack: Stack, closure: F) -> RawCoroutine
where
    F: FnOnce(&Yielder<I, Y>, I) -> R,
{
    let alignment = const {
        let block = align_of::<Block<F>>();
        if block > arch::STACK_ALIGN { block } else { arch::STACK_ALIGN }
    };
    let most_bytes = const { size_of::<Block<F>>() + align_of::<Block<F>>() };
    // A stack has at least 32 KiB, so a small closure needs no test at run time.
    if most_bytes > 1024 && most_bytes > stack.size() / 2 {
        closure_too_large(size_of::<F>(), stack.size());
    }
    let block_bytes = const { size_of::<Block<F>>().next_multiple_of(arch::STACK_ALIGN) };
    let block = stack
        .top()
        .wrapping_sub(block_bytes)
        // The top itself is aligned to TOP_ALIGN.
        .map_addr(|at| if alignment > Stack::TOP_ALIGN { at & !(alignment - 1) } else { at })
        .cast::<Block<F>>();
    let header = stack.into_header();
    // SAFETY: the block is aligned and inside the stack, which was owned by `stack` and is unused.
    // `prepare` writes below the control block, which is the first field of the block.
    unsafe {
        (&raw mut (*block).closure).write(closure);
        let control: *mut Control = (&raw mut (*block).control).cast();
        let body = const { &Body { name: type_name::<N>, drop: drop_closure::<F> } };
        header.as_ref().set_coroutine(control.cast(), body);
        let entrance = arch::prepare(control.cast(), arch::coroutine_root, entry::<I, Y, R, F>);
        Control::write(control, header.as_ref());
        RawCoroutine::new(NonNull::new_unchecked(control), entrance)
    }
}

/// Drops the closure of a coroutine that has never run.
///
/// # Safety
///
/// `control` must be the control block of a `Block<F>`, and the closure must not have been moved out.
unsafe fn drop_closure<F>(control: *mut ()) {
    // SAFETY: a `Block` begins with its control block, so the cast finds the closure, which has
    // not been moved out (see # Safety).
    unsafe { (&raw mut (*control.cast::<Block<F>>()).closure).drop_in_place() }
}

/// Runs the closure as the first function on a coroutine's stack.
///
/// # Safety
///
/// Only the root may call it, once for each coroutine, with the first input, the stack pointer of
/// the suspended resumer, and the control block of a `Block<F>`.
unsafe extern "C" fn entry<I, Y, R, F>(word: Word, resumer: StackPointer, control: *mut ()) -> !
where
    F: FnOnce(&Yielder<I, Y>, I) -> R,
{
    // SAFETY: the word is an encoded I: only `resume` enters a new coroutine, `close` does not. The
    // block is on this stack and outlives this function, and its closure is moved out only here.
    let (control, closure, input) = unsafe {
        let block = control.cast::<Block<F>>();
        let control = &*control.cast::<Control>();
        control.resumer_bounds.set(sanitizer::arrive(None));
        (control, (&raw const (*block).closure).read(), decode::<I>(word))
    };
    let yielder = Yielder::new(control, resumer);
    let result = panic::catch_unwind(AssertUnwindSafe(|| closure(&yielder, input)));
    let resumer = yielder.resumer();
    sanitizer::depart_for_ever(control.resumer_bounds.get());
    // SAFETY: the resumer is suspended in a call of `arch::resume`. It decodes the word before the
    // stack is reused, and values on this stack that need dropping have been dropped or are in
    // a ManuallyDrop.
    unsafe {
        match result {
            Ok(value) => arch::leave(resumer, RETURNED, encode(&mut ManuallyDrop::new(value))),
            Err(payload) => arch::leave(resumer, PANICKED, encode(&mut ManuallyDrop::new(payload))),
        }
    }
}
