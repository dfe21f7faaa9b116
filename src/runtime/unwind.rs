//! Unwinding a green thread that nothing can wake any more.
//!
//! As in a coroutine, it is a panic with a private payload, thrown where the
//! green thread waits and again wherever it comes to wait later. Not so while the
//! payload is alive: then whoever waits is a destructor that the unwinding runs,
//! and a second panic there would end the process.

#![forbid(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::control::Payload;
use crate::sys;

/// A green thread that catches the unwinding and waits again is unwound again,
/// this many times.
const MAX_ATTEMPTS: u32 = 1_000;

/// What one green thread knows of its unwinding.
#[derive(Default)]
pub(super) struct Unwind {
    wanted: Cell<bool>,
    attempts: Cell<u32>,
    /// Is the payload alive? It may be carried to another OS thread and dropped
    /// there, so this is shared.
    in_flight: OnceCell<Arc<AtomicBool>>,
}

struct Unwinding {
    in_flight: Arc<AtomicBool>,
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        self.in_flight.store(false, Ordering::Relaxed);
    }
}

impl Unwind {
    pub(super) fn want(&self) {
        self.wanted.set(true);
    }

    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// Must whoever waits now be unwound?
    pub(super) fn is_due(&self) -> bool {
        let in_flight =
            || self.in_flight.get().is_some_and(|in_flight| in_flight.load(Ordering::Relaxed));
        self.wanted.get() && !in_flight()
    }

    /// Unwinds the stack we are on.
    #[cold]
    pub(super) fn throw(&self) -> ! {
        self.attempts.set(self.attempts.get() + 1);
        if self.attempts.get() > MAX_ATTEMPTS {
            sys::abort(&[
                b"leno: a green thread that is being unwound has caught the unwinding and waited \
                  again 1000 times; a loop around catch_unwind must end when it catches a \
                  payload that it does not know\n",
            ]);
        }
        let in_flight = self.in_flight.get_or_init(Arc::default).clone();
        in_flight.store(true, Ordering::Relaxed);
        panic::resume_unwind(Box::new(Unwinding { in_flight }))
    }
}

pub(super) fn is_unwinding(payload: &Payload) -> bool {
    let payload: &dyn Any = &**payload;
    payload.is::<Unwinding>()
}
