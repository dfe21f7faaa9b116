//! Ticks at regular moments.

use std::time::Duration;

use super::{Instant, sleep_until};

/// Regular moments; see [`interval`].
#[derive(Clone, Debug)]
pub struct Interval {
    next: Option<Instant>,
    period: Duration,
}

/// Moments `period` apart, of which the first is now.
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

/// Moments `period` apart, of which the first is `start`.
///
/// # Panics
///
/// If `period` is zero.
#[must_use]
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval of no length would tick for ever at one moment");
    Interval { next: Some(start), period }
}

impl Interval {
    /// Waits until the next moment, and says which it was. If some have been
    /// missed, it returns at once, with each of them in turn.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn tick(&mut self) -> Instant {
        let Some(moment) = self.next else {
            // After the end of the clock.
            loop {
                super::sleep(Duration::MAX);
            }
        };
        sleep_until(moment);
        self.next = moment.checked_add(self.period);
        moment
    }

    /// Goes on from now: the next moment is one period away.
    pub fn reset(&mut self) {
        self.next = Instant::now().checked_add(self.period);
    }

    /// The time between two moments.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
