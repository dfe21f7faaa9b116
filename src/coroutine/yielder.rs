//! The side of the coroutine: suspending.

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
use crate::sys::cxx;

/// The argument by which the body of a coroutine suspends its coroutine.
///
/// The body receives a reference to its yielder, and may lend it to the functions that it calls,
/// including the bodies of nested coroutines. If a nested coroutine suspends an outer coroutine,
/// both are suspended until the outer coroutine is resumed.
///
/// # Examples
///
/// ```
/// use leno::coroutine::{Coroutine, Resumed, Yielder};
///
/// fn ask(yielder: &Yielder<u32, &'static str>) -> u32 {
///     yielder.suspend("how many?")
/// }
///
/// let order = Coroutine::new(|yielder: &Yielder<u32, _>, _first| 2 * ask(yielder));
/// assert_eq!(order.resume(0), Resumed::Yield("how many?"));
/// assert_eq!(order.resume(21), Resumed::Return(42));
/// ```
pub struct Yielder<Input, Yield> {
    control: NonNull<Control>,
    /// The number of bytes from the limit of the coroutine's stack up to the control block.
    bytes_below: usize,
    /// The stack pointer of the suspended resumer. The control block has it too; this copy exists
    /// because the compiler can keep a field of a local variable in a register.
    resumer: Cell<StackPointer>,
    // Covariant in Input, contravariant in Yield; not Sync.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<(fn(Yield) -> Input, *mut ())>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    /// Returns the yielder of the coroutine `control`. Its resumer is suspended at `resumer`.
    #[inline(always)]
    pub(super) fn new(control: &Control, resumer: StackPointer) -> Self {
        Yielder {
            control: NonNull::from(control),
            bytes_below: control.bytes_below(),
            resumer: Cell::new(resumer),
            marker: PhantomData,
        }
    }

    /// Returns the stack pointer of the suspended resumer.
    #[inline(always)]
    pub(super) fn resumer(&self) -> StackPointer {
        self.resumer.get()
    }

    /// Suspends the coroutine, and returns the input of the next resume.
    ///
    /// The pending [`Coroutine::resume`](super::Coroutine::resume) returns
    /// `Resumed::Yield(value)`.
    ///
    /// # Panics
    ///
    /// If the caller does not run inside the coroutine, but on another green thread. If it runs on
    /// a stack that is not leno's, such as one of the crate `stacker`, from which nothing tells
    /// whether it is inside. If the
    /// coroutine is dropped or closed instead of being resumed, this call unwinds the stack, with
    /// a private payload and without the panic hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{Coroutine, Resumed};
    ///
    /// let coroutine = Coroutine::<u32, u32, u32>::new(|yielder, first| {
    ///     let second = yielder.suspend(first + 1);
    ///     second + 2
    /// });
    /// assert_eq!(coroutine.resume(10), Resumed::Yield(11));
    /// assert_eq!(coroutine.resume(20), Resumed::Return(22));
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn suspend(&self, value: Yield) -> Input {
        // SAFETY: the yielder is a local variable of `entry`, so it lives on the stack of the
        // coroutine, and the control block lives as long as that stack is in use.
        let control = unsafe { self.control.as_ref() };
        let resumer = self.resumer.get();
        // A caller on the coroutine's own stack runs inside the coroutine.
        let height = self.control.addr().get().wrapping_sub(arch::stack_pointer());
        let (from, word) = if height <= self.bytes_below {
            // SAFETY: the caller runs on the coroutine's stack, so the coroutine is running
            // and its resumer is suspended at `resumer`.
            unsafe { suspend(control, resumer, value) }
        } else {
            suspend_from_other_stack(control, resumer, value)
        };
        if from.addr() & UNWIND != 0 {
            self.resumer.set(from.map_addr(|address| address & !UNWIND));
            // SAFETY: with the mark, the word is the number of the closing.
            unwind::throw(unsafe { word.assume_init() });
        }
        self.resumer.set(from);
        // SAFETY: without the mark, the word is an encoded input, and it is decoded once, while
        // the resumer is suspended.
        unsafe { decode(word) }
    }
}

/// Leaves the coroutine for its resumer, and returns what the next resume passes.
///
/// # Safety
///
/// The caller must run inside the coroutine, and the coroutine's resumer must be suspended at
/// `resumer`.
#[inline(always)]
unsafe fn suspend<Y>(control: &Control, resumer: StackPointer, value: Y) -> (StackPointer, Word) {
    let mut value = ManuallyDrop::new(value);
    let away = sanitizer::depart(control.resumer_bounds.get());
    let exceptions = cxx::depart();
    // SAFETY: the resumer is suspended at `resumer` (see # Safety), and decodes the value
    // immediately after the switch, while `value` is still in its place.
    let answer = unsafe { arch::suspend(resumer, encode(&mut value)) };
    cxx::arrive(exceptions);
    control.resumer_bounds.set(sanitizer::arrive(Some(away)));
    answer
}

/// Suspends the coroutine for a caller on another stack.
///
/// It does the same as for a caller on the coroutine's own stack, but out of line, so that a loop
/// that suspends tests the stack once and not in each iteration.
///
/// # Panics
///
/// If the caller does not run inside the coroutine.
#[cold]
#[inline(never)]
#[track_caller]
fn suspend_from_other_stack<Y>(
    control: &Control,
    resumer: StackPointer,
    value: Y,
) -> (StackPointer, Word) {
    check_inside(control);
    // SAFETY: `check_inside` has found the coroutine in the chain of resumers of the caller, so
    // its resumer is suspended.
    unsafe { suspend(control, resumer, value) }
}

/// Checks that the caller, which runs on another stack than the coroutine's own, was resumed from
/// inside the coroutine.
///
/// # Panics
///
/// If the coroutine is not in the caller's chain of resumers.
#[track_caller]
fn check_inside(coroutine: &Control) {
    let mut here = arch::stack_pointer();
    while let Some(inner) = coroutine_at(here) {
        if ptr::eq(inner, coroutine) {
            return;
        }
        // SAFETY: a coroutine in the chain of resumers is running, so its control block is alive
        // and its link holds the stack pointer of its resumer.
        here = unsafe { (*inner.resumer()).addr() };
    }
    if stack::stack_at(here).is_some() {
        panic!(
            "a yielder suspends only what runs inside its coroutine, and this is a green thread \
             of its own; hand the value to the coroutine instead"
        );
    }
    panic!(
        "a yielder suspends only what runs inside its coroutine, and this runs on a stack that is \
         not leno's: that of the OS thread, or one that a library (stacker, for example) has \
         allocated and leno cannot follow; suspend outside of the library's call, and give the \
         coroutine a larger stack with Coroutine::with_stack instead"
    );
}

/// Returns the coroutine with `address` on its stack, if there is one. That coroutine must be
/// running.
fn coroutine_at<'a>(address: usize) -> Option<&'a Control> {
    let header = stack::stack_at(address)?;
    // SAFETY: a stack in use with the number 0 belongs to a coroutine. The coroutine is running,
    // so its control block is alive.
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
