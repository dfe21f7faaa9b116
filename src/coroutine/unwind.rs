//! Forced unwinding: ends a suspended coroutine and drops the values on its stack.
//!
//! The coroutine is resumed with a mark, and throws a panic with a private payload from the place
//! where it was suspended. `resume_unwind` runs no panic hook. The panic passes through nested
//! coroutines like any other panic, and ends at the coroutine that its payload names.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

use super::control::Control;
use crate::sys;

/// The payload of a panic.
pub(super) type Payload = Box<dyn Any + Send>;

/// The number of times that a body is unwound which catches the unwinding and suspends again.
const MAX_ATTEMPTS: usize = 1_000;

/// The payload of the panic that unwinds a coroutine.
struct Unwinding {
    /// The address of the coroutine's control block.
    coroutine: usize,
}

/// Returns the number by which a payload names its coroutine.
fn identity(control: &Control) -> usize {
    ptr::from_ref(control).addr()
}

/// Unwinds the current stack, up to the entry of the coroutine `control`.
#[cold]
#[inline(never)]
pub(super) fn throw(control: &Control) -> ! {
    if cfg!(panic = "abort") {
        sys::abort(&[b"leno: a suspended coroutine was dropped, and this program is built with \
              panic=\"abort\", so its stack cannot be unwound\n\
              leno: run it to its end, forget it, or build with panic=\"unwind\"\n"]);
    }
    panic::resume_unwind(Box::new(Unwinding { coroutine: identity(control) }))
}

/// Returns `Ok` if `payload` is that of the unwinding of `control`, and the payload otherwise.
pub(super) fn unless_own(control: &Control, payload: Payload) -> Result<(), Payload> {
    let own = payload
        .downcast_ref::<Unwinding>()
        .is_some_and(|unwinding| unwinding.coroutine == identity(control));
    if own { Ok(()) } else { Err(payload) }
}

/// Runs `f`, and returns the payload if it panics.
pub(super) fn catch(f: impl FnOnce()) -> Result<(), Payload> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// Aborts the process if a body has caught the unwinding too many times.
pub(super) fn check_attempts(attempt: usize) {
    if attempt == MAX_ATTEMPTS {
        sys::abort(&[
            b"leno: a coroutine that is being dropped has caught the unwinding and suspended \
              again 1000 times; a loop around catch_unwind must end when it catches a payload \
              that it does not know\n",
        ]);
    }
}
