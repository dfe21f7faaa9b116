//! Creating a coroutine: what is put on its stack, and the first function that runs there.

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

/// What lies at the top of a coroutine's stack.
#[repr(C)]
struct Block<F> {
    control: Control,
    closure: F,
}

/// Panics with the reason why a closure cannot be put on a stack.
fn closure_too_large(closure_bytes: usize, stack_bytes: usize) -> ! {
    panic!(
        "the closure takes {closure_bytes} bytes, more than half of the coroutine's stack of \
         {stack_bytes} bytes; give it a larger one, or box what the closure captures"
    )
}

/// Puts a coroutine that will run `closure` on `stack`. Reports name it after the type `N`.
#[inline(always)]
pub(super) fn create<I, Y, R, N, F>(stack: Stack, closure: F) -> RawCoroutine
where
    F: FnOnce(&Yielder<I, Y>, I) -> R,
{
    let alignment = const {
        let block = align_of::<Block<F>>();
        if block > arch::STACK_ALIGN { block } else { arch::STACK_ALIGN }
    };
    let most_bytes = const { size_of::<Block<F>>() + align_of::<Block<F>>() };
    // A stack has at least 16 KiB, of which a small closure takes little.
    if most_bytes > 1024 && most_bytes > stack.size() / 2 {
        closure_too_large(size_of::<F>(), stack.size());
    }
    let block_bytes = const { size_of::<Block<F>>().next_multiple_of(arch::STACK_ALIGN) };
    let block = stack
        .top()
        .wrapping_sub(block_bytes)
        // The top alone is aligned to this much.
        .map_addr(|at| if alignment > Stack::TOP_ALIGN { at & !(alignment - 1) } else { at })
        .cast::<Block<F>>();
    let header = stack.into_header();
    // SAFETY: the block is inside the stack, aligned, and the stack is ours
    // alone; `prepare` gets what is below it.
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

/// # Safety
///
/// `control` must be that of a `Block<F>` whose closure is in its place.
unsafe fn drop_closure<F>(control: *mut ()) {
    // SAFETY: the block begins with the control block.
    unsafe { (&raw mut (*control.cast::<Block<F>>()).closure).drop_in_place() }
}

/// The first function on a coroutine's stack.
///
/// # Safety
///
/// Called by the root, once, with the first input, the resumer that waits, and the control
/// block of a `Block<F>`.
unsafe extern "C" fn entry<I, Y, R, F>(word: Word, resumer: StackPointer, control: *mut ()) -> !
where
    F: FnOnce(&Yielder<I, Y>, I) -> R,
{
    // SAFETY: the resumer encoded an I (a coroutine that was never resumed is
    // not unwound); the block is on this stack and outlives this function.
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
    // SAFETY: the resumer decodes the word before it does anything else, while
    // this frame is still there; nothing here needs dropping.
    unsafe {
        match result {
            Ok(value) => arch::leave(resumer, RETURNED, encode(&mut ManuallyDrop::new(value))),
            Err(payload) => arch::leave(resumer, PANICKED, encode(&mut ManuallyDrop::new(payload))),
        }
    }
}
