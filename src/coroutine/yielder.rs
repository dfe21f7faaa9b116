//! The coroutine's side: suspending.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use super::control::{Control, UNWIND};
use super::transfer::{decode, encode};
use super::unwind;
use crate::arch::{self, StackPointer, Word};
use crate::stack::{self, sanitizer};

/// A coroutine's own end: it suspends the coroutine that it was given to.
///
/// The body gets a reference to it, and may lend it to whatever it calls,
/// nested coroutines included: if one of those suspends an outer coroutine, all
/// of them wait until the outer one is resumed.
pub struct Yielder<Input, Yield> {
    control: NonNull<Control>,
    /// From the limit of the coroutine's stack up to the control block.
    bytes_below: usize,
    /// Where the resumer waits. The control block has it, too; it is kept here because the
    /// compiler can keep a field of a local variable in a register.
    resumer: Cell<StackPointer>,
    // Covariant in Input, contravariant in Yield; not Sync.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<(fn(Yield) -> Input, *mut ())>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    #[inline(always)]
    pub(super) fn new(control: &Control, resumer: StackPointer) -> Self {
        Yielder {
            control: NonNull::from(control),
            bytes_below: control.bytes_below(),
            resumer: Cell::new(resumer),
            marker: PhantomData,
        }
    }

    /// Returns where the resumer waits while the coroutine runs.
    #[inline(always)]
    pub(super) fn resumer(&self) -> StackPointer {
        self.resumer.get()
    }

    /// Suspends the coroutine: its pending [`Coroutine::resume`](super::Coroutine::resume)
    /// returns `Resumed::Yield(value)`. Returns the input of the next resume.
    ///
    /// # Panics
    ///
    /// If the coroutine is dropped or closed instead, this unwinds. If this is
    /// called on another green thread than the one that has resumed the
    /// coroutine, it panics.
    #[inline(always)]
    pub fn suspend(&self, value: Yield) -> Input {
        // SAFETY: a yielder does not outlive its coroutine's body.
        let control = unsafe { self.control.as_ref() };
        let resumer = self.resumer.get();
        // Only the coroutine runs on its own stack, and only while it is resumed.
        let height = self.control.addr().get().wrapping_sub(arch::stack_pointer());
        let (from, word) = if height <= self.bytes_below {
            // SAFETY: this runs inside the coroutine.
            unsafe { suspend(control, resumer, value) }
        } else {
            suspend_from_other_stack(control, resumer, value)
        };
        if from.addr() & UNWIND != 0 {
            self.resumer.set(from.map_addr(|address| address & !UNWIND));
            unwind::throw(control);
        }
        self.resumer.set(from);
        // SAFETY: without the mark, the word is an encoded input.
        unsafe { decode(word) }
    }
}

/// Leaves the coroutine for its resumer. Returns what the next resume passes.
///
/// # Safety
///
/// The caller must run inside the coroutine, whose resumer waits at `resumer`.
#[inline(always)]
unsafe fn suspend<Y>(control: &Control, resumer: StackPointer, value: Y) -> (StackPointer, Word) {
    let mut value = ManuallyDrop::new(value);
    let away = sanitizer::depart(control.resumer_bounds.get());
    // SAFETY: the resumer waits, and takes the encoded value first thing.
    let answer = unsafe { arch::suspend(resumer, encode(&mut value)) };
    control.resumer_bounds.set(sanitizer::arrive(Some(away)));
    answer
}

/// Suspends the coroutine for a caller that runs on another stack. The same as for a
/// caller on the coroutine's own, but out of line, so that a loop that suspends tests once
/// where it runs and not at each turn.
///
/// # Panics
///
/// If the caller does not run inside the coroutine.
#[cold]
#[inline(never)]
fn suspend_from_other_stack<Y>(
    control: &Control,
    resumer: StackPointer,
    value: Y,
) -> (StackPointer, Word) {
    check_inside(control);
    // SAFETY: this runs inside the coroutine, as was checked.
    unsafe { suspend(control, resumer, value) }
}

/// Checks that the caller, which runs on another stack than the coroutine's own, was resumed
/// from inside the coroutine.
///
/// # Panics
///
/// If not: the coroutine's resumer does not wait for the caller.
fn check_inside(coroutine: &Control) {
    let mut here = arch::stack_pointer();
    while let Some(inner) = coroutine_at(here) {
        if ptr::eq(inner, coroutine) {
            return;
        }
        // SAFETY: a coroutine on the chain of resumers runs, so its control block is there
        // and its link leads to its resumer.
        here = unsafe { (*inner.resumer()).addr() };
    }
    panic!(
        "a yielder suspends only what runs inside its coroutine, and this is a green thread \
         of its own; hand the value to the coroutine instead"
    );
}

/// Returns the coroutine on whose stack `address` is, if it is on one. The coroutine must be
/// running.
fn coroutine_at<'a>(address: usize) -> Option<&'a Control> {
    let header = stack::stack_at(address)?;
    // SAFETY: a stack in use whose number is 0 belongs to a coroutine, whose control block is
    // there as long as the coroutine runs.
    unsafe {
        let header = header.as_ref();
        (header.number() == 0).then(|| &*header.control().cast::<Control>())
    }
}

impl<Input, Yield> fmt::Debug for Yielder<Input, Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}
