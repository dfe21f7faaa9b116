//! Blocking calls, on a pool of OS threads.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};

use crate::kernel::{checkpoint, scheduler};
use crate::remote::{self, hold_time};

/// Runs a closure that blocks on an OS thread of a pool, and gives what it
/// returned. Only the green thread waits.
///
/// The pool is that of the [`blocking`](https://docs.rs/blocking) crate: its OS
/// threads are started when they are wanted, at most 500
/// (`BLOCKING_MAX_THREADS`), and end when they have been idle for a while.
///
/// If the green thread is cancelled or runs into a deadline, it is unwound at
/// once. A closure that has begun goes on, and what it returns is dropped over
/// there; one that has not begun is dropped, and never begins. So what must not
/// be left half done belongs into [`thread::shield`](crate::thread::shield).
///
/// Virtual time stands still while it runs.
///
/// # Panics
///
/// If `f` panics: the panic goes on here. Outside a runtime.
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
