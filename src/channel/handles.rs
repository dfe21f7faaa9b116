//! The functions that create a channel and return its handles.

use std::rc::Rc;
use std::time::Duration;

use super::receiver::{Flavor, Receiver};
use super::sender::Sender;
use super::state::Channel;
use super::timer::Timer;
use crate::timer::{Instant, now};

/// Creates a channel that holds at most `capacity` messages. A channel of capacity 0 holds
/// none: a sender and a receiver wait for each other, and the message goes from one frame
/// to the other.
///
/// The buffer grows with its content, so that a large capacity costs no memory by itself.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = leno::channel::bounded(1);
/// sender.try_send(1).unwrap();
/// assert!(sender.try_send(2).unwrap_err().is_full());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    channel(Some(capacity))
}

/// Creates a channel that holds any number of messages.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = leno::channel::unbounded();
/// for n in 0..1_000 {
///     sender.send(n).unwrap(); // never waits
/// }
/// assert_eq!(receiver.len(), 1_000);
/// ```
#[must_use]
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(None)
}

/// Creates a channel, without a limit for `None`.
#[track_caller]
fn channel<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel::new(capacity));
    (Sender { channel: channel.clone() }, Receiver { flavor: Flavor::Channel(channel) })
}

/// Creates a receiver of moments. `kind` is what reports call it.
#[track_caller]
fn timer<T>(
    kind: &'static str,
    next: Option<u64>,
    period: Option<u64>,
    message: fn(u64) -> T,
) -> Receiver<T> {
    Receiver { flavor: Flavor::Timer(Rc::new(Timer::new(kind, next, period, message))) }
}

/// Returns the moment `duration` from now, `None` if the clock never reaches it.
fn after_now(duration: Duration) -> Option<u64> {
    now().checked_add(u64::try_from(duration.as_nanos()).ok()?)
}

/// Returns a receiver of one message, the moment at which `duration` has elapsed.
///
/// As an arm of [`select!`](crate::select!), it is a deadline that can span several selects.
/// After its message, it never gives another. For a duration that the clock never reaches
/// it behaves as [`never()`].
///
/// # Examples
///
/// ```
/// use leno::channel::{after, never};
/// use leno::time::{Duration, Instant};
///
/// leno::run(|| {
///     let start = Instant::now();
///     leno::select! {
///         recv(never::<()>()) -> _ => unreachable!(),
///         recv(after(Duration::from_millis(1))) -> _ => (),
///     }
///     assert!(start.elapsed() >= Duration::from_millis(1));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn after(duration: Duration) -> Receiver<Instant> {
    timer("timer", after_now(duration), None, Instant::from_nanos)
}

/// Returns a receiver of one message, `moment`, when the clock reaches it.
///
/// # Examples
///
/// ```
/// use leno::channel::at;
/// use leno::time::{Duration, Instant};
///
/// leno::run(|| {
///     let soon = Instant::now() + Duration::from_millis(1);
///     assert_eq!(at(soon).recv(), Ok(soon));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn at(moment: Instant) -> Receiver<Instant> {
    timer("timer", Some(moment.nanos()), None, Instant::from_nanos)
}

/// Returns a receiver of a message, the moment, each time that `period` has elapsed.
///
/// A receive that comes late gets one message, and the next period begins at that receive. With a
/// `period` of zero there is always a message, and a receive never waits.
///
/// # Examples
///
/// ```
/// use leno::channel::tick;
/// use leno::time::Duration;
///
/// leno::run(|| {
///     let ticks = tick(Duration::from_millis(1));
///     let (first, second) = (ticks.recv().unwrap(), ticks.recv().unwrap());
///     assert!(second - first >= Duration::from_millis(1));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn tick(period: Duration) -> Receiver<Instant> {
    let nanos = u64::try_from(period.as_nanos()).ok();
    timer("ticker", after_now(period), nanos, Instant::from_nanos)
}

/// Returns a receiver that never gives a message and is never disconnected. Its channel holds no
/// message and is always full, and is the same for all such receivers.
///
/// # Examples
///
/// ```
/// assert!(leno::channel::never::<u8>().try_recv().unwrap_err().is_empty());
/// ```
#[must_use]
#[track_caller]
pub fn never<T>() -> Receiver<T> {
    timer("receiver that never receives", None, None, |_| unreachable!("there is no moment"))
}
