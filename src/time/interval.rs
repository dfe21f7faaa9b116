//! Ticks at regular moments.

use std::time::Duration;

use super::{Instant, sleep_until};

/// A sequence of regular moments; see [`interval`].
///
/// # Examples
///
/// See [`interval`].
#[derive(Clone, Debug)]
pub struct Interval {
    next: Option<Instant>,
    period: Duration,
}

/// Returns the moments that are `period` apart and begin now.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Instant, interval};
///
/// leno::Builder::new().virtual_time().run(|| {
///     let start = Instant::now();
///     let mut interval = interval(Duration::from_secs(1));
///     for _ in 0..4 {
///         interval.tick();
///     }
///     assert_eq!(start.elapsed(), Duration::from_secs(3));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Returns the moments that are `period` apart and begin at `start`.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use leno::time::{Duration, Instant, interval_at};
///
/// leno::Builder::new().virtual_time().run(|| {
///     let start = Instant::now() + Duration::from_secs(5);
///     assert_eq!(interval_at(start, Duration::from_secs(1)).tick(), start);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval of no length would tick for ever at one moment");
    Interval { next: Some(start), period }
}

impl Interval {
    /// Waits until the next moment, and returns it. If moments have been missed, returns at
    /// once, with each of them in turn.
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
    /// See [`interval`].
    #[track_caller]
    pub fn tick(&mut self) -> Instant {
        let Some(moment) = self.next else {
            // The clock never reaches the next moment.
            loop {
                super::sleep(Duration::MAX);
            }
        };
        sleep_until(moment);
        self.next = moment.checked_add(self.period);
        moment
    }

    /// Moves the next moment to one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::{Duration, Instant, interval, sleep};
    ///
    /// leno::Builder::new().virtual_time().run(|| {
    ///     let mut interval = interval(Duration::from_secs(1));
    ///     sleep(Duration::from_secs(5));
    ///     interval.reset();
    ///     let now = Instant::now();
    ///     assert_eq!(interval.tick(), now + Duration::from_secs(1));
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.next = Instant::now().checked_add(self.period);
    }

    /// Returns the time between two moments.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::{Duration, interval};
    ///
    /// leno::run(|| {
    ///     let period = Duration::from_secs(1);
    ///     assert_eq!(interval(period).period(), period);
    /// });
    /// ```
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
