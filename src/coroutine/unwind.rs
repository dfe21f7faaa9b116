//! Forced unwinding: ends a suspended coroutine and drops the values on its stack.
//!
//! The coroutine is resumed with a mark, and throws a panic with a private payload from the place
//! where it was suspended. `resume_unwind` runs no panic hook. The panic passes through nested
//! coroutines like any other panic, and ends at the closing that its payload names. A payload that
//! the program has kept from another closing is that of an ordinary panic.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys;

/// The payload of a panic.
pub(super) type Payload = Box<dyn Any + Send>;

/// The number of times that a body is unwound which catches the unwinding and suspends again.
const MAX_ATTEMPTS: usize = 1_000;

/// The payload of the panic that unwinds a coroutine.
struct Unwinding {
    closing: usize,
}

/// Returns the number of a closing that begins, which differs from that of every other of the
/// process.
pub(super) fn begin_closing() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Unwinds the current stack, up to the entry of the coroutine that is closed.
#[cold]
#[inline(never)]
pub(super) fn throw(closing: usize) -> ! {
    if cfg!(panic = "abort") {
        sys::abort(&[b"leno: a suspended coroutine was dropped, and this program is built with \
              panic=\"abort\", so its stack cannot be unwound\n\
              leno: run it to its end, forget it, or build with panic=\"unwind\"\n"]);
    }
    panic::resume_unwind(Box::new(Unwinding { closing }))
}

/// Returns `Ok` if `payload` is that of the closing, and the payload otherwise.
pub(super) fn unless_own(closing: usize, payload: Payload) -> Result<(), Payload> {
    let own =
        payload.downcast_ref::<Unwinding>().is_some_and(|unwinding| unwinding.closing == closing);
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
