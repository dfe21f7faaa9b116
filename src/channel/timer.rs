//! Receivers of moments: after a while, now and then, never.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::core::Deadline;
use super::ends::{Flavor, Receiver};
use super::error::TryRecvError;
use crate::access::{Access, Object, note};
use crate::kernel::Resource;
use crate::timer::{Instant, now};

/// Gives moments when they have come.
pub(super) struct Timer<T> {
    /// The next, in nanoseconds of the runtime's clock.
    next: Cell<Option<u64>>,
    period: Option<u64>,
    /// The moment as a message.
    message: fn(u64) -> T,
    pub(super) resource: Resource,
}

impl<T> Timer<T> {
    /// When there will be a message, as the scheduler wants it.
    pub(super) fn deadline(&self) -> Deadline {
        self.next.get()
    }

    pub(super) fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Is there a message?
    #[track_caller]
    pub(super) fn look(&self) -> bool {
        note(self.object(), Access::Read, "look at");
        self.is_due()
    }

    /// As [`Timer::look`], as part of an operation that has begun.
    pub(super) fn is_due(&self) -> bool {
        self.next.get().is_some_and(|next| next <= now())
    }

    /// Receives without waiting, as part of an operation that has begun.
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let (Some(next), now) = (self.next.get(), now()) else { return Err(TryRecvError::Empty) };
        if next > now {
            return Err(TryRecvError::Empty);
        }
        self.next.set(self.period.and_then(|period| now.checked_add(period)));
        Ok((self.message)(next))
    }
}

#[track_caller]
fn timer<T>(
    kind: &'static str,
    next: Option<u64>,
    period: Option<u64>,
    message: fn(u64) -> T,
) -> Receiver<T> {
    let resource = Resource::new(kind);
    Receiver::of(Flavor::Timer(Rc::new(Timer { next: Cell::new(next), period, message, resource })))
}

fn after_now(duration: Duration) -> Option<u64> {
    now().checked_add(u64::try_from(duration.as_nanos()).ok()?)
}

/// A receiver that gives one message, the moment, when `duration` is over.
///
/// As an arm of [`select!`](crate::select!), it is a deadline that lasts for more
/// than one of them. After its message, it gives none for ever. A duration that
/// the clock never reaches is [`never()`].
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

/// As [`after`], at a moment.
#[must_use]
#[track_caller]
pub fn at(moment: Instant) -> Receiver<Instant> {
    timer("timer", Some(moment.nanos()), None, Instant::from_nanos)
}

/// A receiver that gives a message, the moment, each time that `period` is over.
/// Whoever is late gets one message, and the next period begins then.
///
/// # Panics
///
/// If `period` is zero.
#[must_use]
#[track_caller]
pub fn tick(period: Duration) -> Receiver<Instant> {
    assert!(!period.is_zero(), "a ticker without a period would tick for ever at one moment");
    let nanos = u64::try_from(period.as_nanos()).ok();
    timer("ticker", after_now(period), nanos, Instant::from_nanos)
}

/// A receiver that never gives a message, and is never disconnected.
#[must_use]
#[track_caller]
pub fn never<T>() -> Receiver<T> {
    timer("receiver that never receives", None, None, |_| unreachable!("there is no moment"))
}
