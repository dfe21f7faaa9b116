//! Futures and blocking calls in green threads.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};

use crate::kernel::{checkpoint, scheduler};
use crate::remote::{self, hold_time};

/// Runs a future to its end, and returns its output. Only the current green thread waits;
/// other threads run in the meantime.
///
/// The future may come from any library. Its waker may be woken, cloned and dropped on any
/// OS thread, at any time. A future that wakes itself while it is polled, as a future that
/// yields does, lets the other green threads have a turn. While a clone of the waker exists, a
/// runtime in which every thread waits sleeps in the operating system. Otherwise the wait is a
/// deadlock, also if the only clones are those by which
/// [`JoinHandle`](crate::thread::JoinHandle)s await green threads of this runtime.
///
/// With virtual time, a deadline elapses when every green thread waits, whatever goes on in
/// other OS threads. Nothing is allocated for a future that is ready at once.
///
/// # Panics
///
/// If the future panics. Outside a runtime. At the first use in a runtime, if the operating
/// system has no more descriptors.
///
/// # Cancellation
///
/// A cancellation point. Cancellation and deadlines ([`time::timeout`](crate::time::timeout))
/// end the wait, and the future is dropped.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let answer = leno::spawn(|| 42);
///     let twice = async { answer.await.unwrap() * 2 };
///     assert_eq!(leno::block_on(twice), 84);
/// });
/// ```
#[inline]
#[track_caller]
pub fn block_on<F>(future: F) -> F::Output
where
    F: IntoFuture,
{
    remote::block_on("leno::block_on", future.into_future())
}

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
