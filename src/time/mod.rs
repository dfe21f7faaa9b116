//! Time: sleeping, deadlines, intervals.
//!
//! All durations are measured on the runtime's clock, which is the system's monotonic clock
//! or a virtual one ([`Builder::virtual_time`](crate::Builder::virtual_time)), on which a
//! program that sleeps for a day ends at once.
//!
//! A deadline that the clock never reaches, such as [`Duration::MAX`] from now, is no
//! deadline: a thread that waits for nothing else waits for ever, and a deadlock report says
//! so.
//!
//! A wait with a deadline that has passed only lets other threads have a turn, as one of zero
//! does, and then it is over. The thread is not in line during that turn: nothing is handed over
//! to it. What was handed over before counts. A call that waits several times, as
//! [`Condvar::wait_timeout_while`](crate::sync::Condvar::wait_timeout_while) and a receive from a
//! ticker do, may find its deadline passed between two of its waits.

#![forbid(unsafe_code)]

mod interval;

use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, Wait, WaitFor, scheduler};
pub use crate::timer::Instant;
use crate::timer::{deadline_after, deadline_at};
use std::error::Error;
use std::fmt;
use std::io;

pub use interval::{Interval, interval, interval_at};
pub use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

/// Waits for `duration`. Other threads run in the meantime.
///
/// With [`Duration::ZERO`], lets other threads have a turn, as
/// [`yield_now`](crate::yield_now) does. Takes time that is logarithmic in the number of
/// threads that wait for a deadline.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Instant};
///
/// leno::run(|| {
///     let start = Instant::now();
///     leno::sleep(Duration::from_millis(2));
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    let scheduler = scheduler("leno::time::sleep");
    sleep_on(scheduler, deadline_after(scheduler, duration));
}

/// Waits until `deadline`. If it has passed, lets other threads have a turn.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Instant, sleep_until};
///
/// leno::run(|| {
///     let soon = Instant::now() + Duration::from_millis(1);
///     sleep_until(soon);
///     assert!(Instant::now() >= soon);
/// });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) {
    let scheduler = scheduler("leno::time::sleep_until");
    sleep_on(scheduler, deadline_at(scheduler, deadline.nanos()));
}

/// Waits until `deadline`.
#[track_caller]
fn sleep_on(scheduler: &Scheduler, deadline: Option<u64>) {
    scheduler.checkpoint();
    match scheduler.block(&Wait::new(WaitFor::Sleep), deadline) {
        Outcome::Interrupted => interrupted(),
        Outcome::Woken | Outcome::Elapsed => {}
    }
}

/// The error of a [`timeout`] that has elapsed.
///
/// # Examples
///
/// See [`timeout`]. In a function that returns an [`io::Result`], `?` makes it an error of the kind
/// [`TimedOut`](io::ErrorKind::TimedOut):
///
/// ```
/// use leno::time::{Duration, sleep, timeout};
/// use std::io;
///
/// fn nap() -> io::Result<()> {
///     timeout(Duration::from_millis(1), || sleep(Duration::from_secs(9)))?;
///     Ok(())
/// }
///
/// let error = leno::run(nap).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs `f` with a deadline. If `f` waits when `duration` has elapsed, however deeply nested,
/// it is unwound, and its destructors run. If `f` waits or yields later, it is unwound there.
/// A function that never waits is not stopped, and its value is `Ok` even if it is late. That is so
/// for a loop as well that always finds what it would wait for, such as a free lock: the runtime looks at
/// the clock once in 64 switches, and when no thread can run. Such a loop calls
/// [`thread::yield_if_due`](crate::thread::yield_if_due).
///
/// Timeouts nest. If the deadlines of two have passed, the outer one ends, and the `Err` of
/// the inner one is not seen. A wait that has ended already, by a value, is not undone.
///
/// The unwinding is a panic with a private payload, which does not call the panic hook. Code
/// inside `f` that catches panics catches this one as well, and is unwound again where it
/// waits next. A coroutine must not suspend out of `f`: the deadline unwinds the green thread,
/// wherever it waits.
///
/// A green thread that unwinds already, by a panic or a cancellation, is not unwound again by
/// a `timeout` in a destructor. A wait there needs its own deadline, as `recv_timeout` has.
///
/// # Errors
///
/// [`Elapsed`] if `f` was unwound.
///
/// # Panics
///
/// If `f` panics. Outside a runtime.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Elapsed, timeout};
///
/// leno::run(|| {
///     let slow = timeout(Duration::from_millis(1), leno::thread::park);
///     assert_eq!(slow, Err(Elapsed));
///     assert_eq!(timeout(Duration::from_secs(60), || 1), Ok(1));
/// });
/// ```
#[track_caller]
pub fn timeout<F, T>(duration: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    crate::cancel::timeout("leno::time::timeout", duration, f).ok_or(Elapsed)
}

/// Runs `f` as [`timeout`], with the moment at which it elapses.
///
/// # Errors
///
/// [`Elapsed`] if `f` was unwound.
///
/// # Panics
///
/// If `f` panics. Outside a runtime.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Elapsed, Instant, timeout_at};
///
/// leno::run(|| {
///     let soon = Instant::now() + Duration::from_millis(1);
///     assert_eq!(timeout_at(soon, leno::thread::park), Err(Elapsed));
/// });
/// ```
#[track_caller]
pub fn timeout_at<F, T>(deadline: Instant, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    timeout(deadline.saturating_duration_since(Instant::now()), f)
}
