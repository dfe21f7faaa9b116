//! Time: sleeping, deadlines, intervals.
//!
//! All of it is measured on the runtime's clock, which is the system's monotonic
//! one, or a virtual one ([`Builder::virtual_time`](crate::Builder::virtual_time))
//! in which a program that sleeps for a day ends at once.
//!
//! A deadline that the clock never reaches, such as [`Duration::MAX`] from now, is
//! none: who waits for nothing else waits for ever, and a deadlock report says so.
//! A wait with a deadline that has passed does not wait, but others have a turn.

#![forbid(unsafe_code)]

mod interval;

use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, Wait, WaitFor, scheduler};
pub use crate::timer::Instant;
use crate::timer::{deadline_after, deadline_at};
use std::error::Error;
use std::fmt;

pub use interval::{Interval, interval, interval_at};
pub use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

/// Waits for `duration`. Others run in the meantime.
///
/// With [`Duration::ZERO`], lets others have a turn, as
/// [`yield_now`](crate::yield_now) does.
///
/// # Panics
///
/// Outside a runtime.
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

/// Waits until `deadline`; one that has passed lets others have a turn.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub fn sleep_until(deadline: Instant) {
    let scheduler = scheduler("leno::time::sleep_until");
    sleep_on(scheduler, deadline_at(scheduler, deadline.nanos()));
}

#[track_caller]
fn sleep_on(scheduler: &Scheduler, deadline: Option<u64>) {
    scheduler.checkpoint();
    match scheduler.block(&Wait::new(WaitFor::Sleep), deadline) {
        Outcome::Interrupted => interrupted(),
        Outcome::Woken | Outcome::Elapsed => {}
    }
}

/// The deadline of a [`timeout`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl Error for Elapsed {}

/// Runs `f` with a deadline: where it waits when `duration` is over, however
/// deeply nested, it is unwound, and its destructors run. So it is too where it
/// waits or yields later; a function that never waits is not stopped, and what it
/// returns is `Ok`, even if it is late.
///
/// These nest. If the deadlines of two have passed, the outer one ends: the inner
/// one's `Err` is not seen. A wait that has been ended already, by a value, is
/// not undone.
///
/// It unwinds by a panic of a private type, without the panic hook. Code that
/// catches panics inside `f` catches that as well, and is unwound again where it
/// waits next. A coroutine must not suspend out of `f`: what is unwound is the
/// green thread, wherever it waits.
///
/// A green thread that unwinds already, by a panic or because it was cancelled,
/// is not unwound once more by a destructor's own `timeout`: there, what waits
/// needs a deadline of its own, as `recv_timeout` has one.
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

/// As [`timeout`], with the moment at which it elapses.
///
/// # Errors
///
/// [`Elapsed`] if `f` was unwound.
///
/// # Panics
///
/// If `f` panics. Outside a runtime.
#[track_caller]
pub fn timeout_at<F, T>(deadline: Instant, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    timeout(deadline.saturating_duration_since(Instant::now()), f)
}
