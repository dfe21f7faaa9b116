//! Futures and blocking calls in green threads.

#![forbid(unsafe_code)]

#[cfg(feature = "unblock")]
mod unblock;

use crate::remote;
#[cfg(feature = "unblock")]
pub use unblock::{set_unblock_limit, unblock};

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
/// A timer or a socket of another library needs that library's own OS threads: on the only OS thread
/// of tokio's `current_thread` runtime, such a future never ends, since the green threads keep the OS
/// thread. [`Builder::report_silence`](crate::Builder::report_silence) says so after a time.
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
    remote::block_on("leno::block_on", None, future.into_future())
}
