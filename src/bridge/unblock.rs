//! Blocking calls, on a pool of OS threads.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::{checkpoint, scheduler};
use crate::remote::{self, hold_time};

/// Runs a blocking closure on an OS thread of a pool, and returns its value. Only the current
/// green thread waits.
///
/// The pool is that of the [`blocking`](https://docs.rs/blocking) crate, one for the process. Its OS
/// threads are started on demand, at most 500, and end when they have been idle for a while.
/// [`set_unblock_limit`] or the environment variable `BLOCKING_MAX_THREADS` sets another limit. At
/// the limit, closures wait in the order in which they came, and reports show the wait for a free OS
/// thread of the pool. So closures that wait for each other, or for ever, can keep others from
/// beginning: the limit must be higher than the number of such closures.
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
    // For reports.
    let begun = Arc::new(AtomicBool::new(false));
    let at_work = {
        let begun = begun.clone();
        blocking::unblock(move || {
            begun.store(true, Ordering::Relaxed);
            panic::catch_unwind(AssertUnwindSafe(f))
        })
    };
    match hold_time(scheduler, || remote::block_on(FUNCTION, Some(&begun), at_work)) {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Sets the most OS threads that [`unblock`] uses at once, of all runtimes of the process; by default
/// 500, or `BLOCKING_MAX_THREADS`.
///
/// A lower limit than before takes effect as OS threads become idle.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
///
/// leno::set_unblock_limit(NonZeroUsize::new(1_000).unwrap());
/// assert_eq!(leno::run(|| leno::unblock(|| 7)), 7);
/// ```
pub fn set_unblock_limit(most: NonZeroUsize) {
    blocking::set_max_blocking_threads(most);
}
