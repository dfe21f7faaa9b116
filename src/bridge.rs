//! Futures and blocking calls, from green threads.

#![forbid(unsafe_code)]

#[cfg(feature = "unblock")]
mod unblock;

use crate::remote;
#[cfg(feature = "unblock")]
pub use unblock::unblock;

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
