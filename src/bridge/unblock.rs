//! Blocking calls, on a pool of OS threads.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};

use crate::kernel::{checkpoint, scheduler};
use crate::remote::{self, hold_time};

/// Runs a blocking closure on an OS thread of a pool, and returns its value. Only the current
/// green thread waits.
///
/// The pool is that of the [`blocking`](https://docs.rs/blocking) crate. Its OS threads are
/// started on demand, at most 500 (`BLOCKING_MAX_THREADS`), and end when they have been idle
/// for a while.
///
/// Virtual time stands still while the closure runs.
///
/// # Panics
///
/// If `f` panics: the panic is resumed here. Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point: if the green thread is cancelled or reaches a deadline, it is unwound
/// at once. A closure that has begun goes on, and its value is dropped on its OS thread. A
/// closure that has not begun is dropped there, and never begins. So work that must not be
/// left half done belongs into [`thread::shield`](crate::thread::shield).
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let other = leno::unblock(|| std::thread::current().id());
///     assert_ne!(other, std::thread::current().id());
/// });
/// ```
#[track_caller]
pub fn unblock<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    const FUNCTION: &str = "leno::unblock";
    let scheduler = scheduler(FUNCTION);
    checkpoint();
    let at_work = blocking::unblock(|| panic::catch_unwind(AssertUnwindSafe(f)));
    match hold_time(scheduler, || remote::block_on(FUNCTION, at_work)) {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    }
}
