//! Forced unwinding: how a suspended coroutine that is not wanted any more gives
//! back what is on its stack.
//!
//! It is resumed with the order to unwind, and throws a panic of our own from
//! where it was suspended. `resume_unwind` runs no panic hook. The panic passes
//! through nested coroutines like any other, and ends at the coroutine that it
//! was made for.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

use super::control::Control;
use crate::sys;

pub(super) type Payload = Box<dyn Any + Send>;

/// A body that catches the unwinding and suspends again is unwound again, this
/// many times.
const MAX_ATTEMPTS: usize = 1_000;

/// The payload of the panic that unwinds a coroutine.
struct Unwinding {
    /// Which one: the address of its control block.
    coroutine: usize,
}

fn identity(control: &Control) -> usize {
    ptr::from_ref(control).addr()
}

/// Unwinds the stack we are on.
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

/// `Ok` if the payload is that of `control`'s own unwinding.
pub(super) fn unless_own(control: &Control, payload: Payload) -> Result<(), Payload> {
    let own = payload
        .downcast_ref::<Unwinding>()
        .is_some_and(|unwinding| unwinding.coroutine == identity(control));
    if own { Ok(()) } else { Err(payload) }
}

/// Runs `f`, which may panic.
pub(super) fn catch(f: impl FnOnce()) -> Result<(), Payload> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// Gives up on a body that will not end.
pub(super) fn check_attempts(attempt: usize) {
    if attempt == MAX_ATTEMPTS {
        sys::abort(&[
            b"leno: a coroutine that is being dropped has caught the unwinding and suspended \
              again 1000 times; a loop around catch_unwind must end when it catches a payload \
              that it does not know\n",
        ]);
    }
}
