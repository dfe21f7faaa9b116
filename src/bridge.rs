//! Futures and blocking calls, from green threads.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};

use crate::kernel::{checkpoint, scheduler};
use crate::remote::{self, hold_time};

/// Runs a future to its end, and gives its output. Only the green thread waits;
/// others run in the meantime.
///
/// The future may be anybody's. Its waker may be woken, cloned and dropped on
/// any OS thread, at any time. A future that wakes itself while it is polled, as
/// one that yields, lets the other green threads have a turn. While somebody has
/// a clone of the waker, a runtime in which everybody waits sleeps in the kernel;
/// if nobody has one when it comes to wait, or only green threads of this runtime
/// have whose end it awaits ([`JoinHandle`](crate::thread::JoinHandle)), it is a
/// deadlock.
///
/// Cancellation and deadlines ([`time::timeout`](crate::time::timeout)) end the
/// wait, and the future is dropped. With virtual time, a deadline comes when every
/// green thread waits, whatever is going on outside.
///
/// Nothing is allocated for a future that is ready at once.
///
/// # Panics
///
/// If the future panics. Outside a runtime. If the system has no more
/// descriptors, the first time in a runtime.
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
