//! Permits that threads acquire and release.

use crate::timer::deadline_after;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::access::{Access, Accessed, Observed, Reported};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, WaitQueue, Want, scheduler};

/// A number of permits, which green threads acquire and release.
///
/// Waiting threads get their permits in the order in which they came, so that a thread that
/// waits for three does not starve behind many that want one. Acquiring zero permits never
/// waits.
///
/// # Examples
///
/// ```
/// use leno::sync::Semaphore;
///
/// let desks = Semaphore::new(2);
/// let (_one, _other) = (desks.acquire().unwrap(), desks.acquire().unwrap());
/// assert!(desks.try_acquire().is_err());
/// ```
pub struct Semaphore {
    state: Observed<State>,
}

struct State {
    /// The threads that wait, each with the number of permits that it wants.
    waiting: WaitQueue<usize>,
    permits: Cell<usize>,
    closed: Cell<bool>,
}

/// Permits that are held; see [`Semaphore::acquire`]. Dropping this releases them.
///
/// # Examples
///
/// ```
/// let desks = leno::sync::Semaphore::new(1);
/// let permit = desks.acquire().unwrap();
/// assert_eq!(desks.available_permits(), 0);
/// drop(permit);
/// assert_eq!(desks.available_permits(), 1);
/// ```
#[must_use = "if unused, the permits are given back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
    reported: Reported,
}

/// The error of acquiring permits of a closed semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError;

/// The reason why permits could not be acquired at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// There are too few permits, or another thread waits for them.
    NoPermits,
    /// The semaphore is closed.
    Closed,
}

/// The reason why permits could not be acquired in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireTimeoutError {
    /// The timeout has elapsed.
    Timeout,
    /// The semaphore is closed.
    Closed,
}

impl Semaphore {
    /// Creates a semaphore with `permits` permits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        let waiting = WaitQueue::new();
        let state = State { waiting, permits: Cell::new(permits), closed: Cell::new(false) };
        Semaphore { state: Observed::new("semaphore", state) }
    }

    /// Acquires a permit. Waits until one is available.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, before or during the wait.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, it holds no permit.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(1);
    /// let permit = desks.acquire().unwrap();
    /// assert_eq!(permit.count(), 1);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take("Semaphore::acquire", 1, |_| None).map_err(|_| AcquireError)
    }

    /// Acquires `count` permits at once. Waits until all of them are available.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(3);
    /// let permits = desks.acquire_many(2).unwrap();
    /// assert_eq!(desks.available_permits(), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, count: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take("Semaphore::acquire_many", count, |_| None).map_err(|_| AcquireError)
    }

    /// Acquires a permit if one is available and no thread waits.
    ///
    /// # Errors
    ///
    /// If there is no permit, or if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(1);
    /// let permit = desks.try_acquire().unwrap();
    /// assert!(desks.try_acquire().is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Acquires `count` permits if so many are available and no thread waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(3);
    /// assert!(desks.try_acquire_many(4).is_err());
    /// assert!(desks.try_acquire_many(3).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, count: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let (state, reported) = self.state.note_for_guard(Access::Write, "try acquire");
        state.try_take(count).map(|()| self.permit(count, reported))
    }

    /// Returns permits that have been taken.
    #[inline(always)]
    fn permit(&self, count: usize, reported: Reported) -> SemaphorePermit<'_> {
        SemaphorePermit { semaphore: self, count, reported }
    }

    /// Acquires a permit as [`acquire`](Semaphore::acquire), but waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed, or if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Semaphore;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let desks = Semaphore::new(0);
    ///     assert!(desks.acquire_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        self.take("Semaphore::acquire_timeout", 1, deadline)
    }

    /// Acquires permits as [`acquire_many`](Semaphore::acquire_many), but waits for at most
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_timeout`](Semaphore::acquire_timeout).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Semaphore;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let desks = Semaphore::new(1);
    ///     assert!(desks.acquire_many_timeout(2, Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_many_timeout(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        self.take("Semaphore::acquire_many_timeout", count, deadline)
    }

    /// Acquires `count` permits, and waits for them until the deadline. `function` is the
    /// public function that needs a runtime if it waits.
    #[inline(always)]
    #[track_caller]
    fn take(
        &self,
        function: &'static str,
        count: usize,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let (state, reported) = self.state.begin_for_guard(Access::Write, "acquire");
        match state.try_take(count) {
            Ok(()) => {}
            Err(TryAcquireError::Closed) => return Err(AcquireTimeoutError::Closed),
            Err(TryAcquireError::NoPermits) => self.wait(state, function, count, deadline)?,
        }
        Ok(self.permit(count, reported))
    }

    /// Waits until `count` permits are granted, or until the deadline.
    #[inline(always)]
    #[track_caller]
    fn wait(
        &self,
        state: Accessed<'_, State>,
        function: &'static str,
        count: usize,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), AcquireTimeoutError> {
        let scheduler = scheduler(function);
        let what = if count == 1 { Want::Permit } else { Want::Permits };
        let deadline = deadline(scheduler);
        let (outcome, wanted) =
            state.wait(|state| &state.waiting, what, scheduler, Some(count), deadline);
        if wanted.is_none() {
            return Ok(());
        }
        // Other threads may have waited behind this one.
        // mistake: permits-unused
        self.state.note(Access::Write, "give up").grant();
        match outcome {
            Outcome::Woken => Err(AcquireTimeoutError::Closed),
            Outcome::Elapsed => Err(AcquireTimeoutError::Timeout),
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Adds permits, and gives them to the threads that have waited longest.
    ///
    /// # Panics
    ///
    /// If there were more than `usize::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(0);
    /// desks.add_permits(2);
    /// assert_eq!(desks.available_permits(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn add_permits(&self, count: usize) {
        let state = self.state.note(Access::Write, "add permits to");
        match state.permits.get().checked_add(count) {
            Some(permits) => state.hold(permits),
            None => panic!("a semaphore cannot hold more than usize::MAX permits"),
        }
    }

    /// Returns the number of permits that are not held.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        self.state.note(Access::Read, "look at").permits.get()
    }

    /// Closes the semaphore: every wait for permits ends with an error, and so does every
    /// later attempt to acquire some. Permits that are held can be released.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(3);
    /// desks.close();
    /// assert!(desks.acquire().is_err());
    /// ```
    #[track_caller]
    pub fn close(&self) {
        let state = self.state.note(Access::Write, "close");
        state.closed.set(true);
        state.waiting.wake_all();
    }

    /// Returns `true` if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!leno::sync::Semaphore::new(3).is_closed());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.state.note(Access::Read, "look at").closed.get()
    }

    /// Names the semaphore for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Semaphore::new(3).set_name("desks");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.state.set_name(name.into());
    }
}

impl State {
    /// Takes permits if so many are available and no thread waits.
    #[inline(always)]
    fn try_take(&self, count: usize) -> Result<(), TryAcquireError> {
        if self.closed.get() {
            return Err(TryAcquireError::Closed);
        }
        let left = self.permits.get().checked_sub(count);
        // mistake: few-overtake-many
        match left.filter(|_| count == 0 || self.waiting.is_empty()) {
            Some(left) => self.permits.set(left),
            None => return Err(TryAcquireError::NoPermits),
        }
        Ok(())
    }

    /// Sets the number of permits, and gives them to waiting threads.
    #[inline(always)]
    fn hold(&self, permits: usize) {
        self.permits.set(permits);
        if !self.waiting.is_clear() {
            self.grant();
        }
    }

    /// Gives permits to the threads that have waited longest, as far as they go.
    #[inline(never)]
    fn grant(&self) {
        while let Some(count) = self.waiting.peek()
            && let Some(left) = self.permits.get().checked_sub(count)
        {
            self.permits.set(left);
            self.waiting.take();
        }
    }
}

impl SemaphorePermit<'_> {
    /// Returns the number of permits that this stands for.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::Semaphore::new(3).acquire_many(2).unwrap().count(), 2);
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Drops this without releasing the permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let desks = leno::sync::Semaphore::new(3);
    /// desks.acquire().unwrap().forget();
    /// assert_eq!(desks.available_permits(), 2);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
        self.reported = None;
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let state = &self.semaphore.state;
        let state = match self.reported {
            None => state.unreported("acquiring the permits was not reported either"),
            Some(at) => state.note_at(Access::Write, "release", at),
        };
        // More than `usize::MAX` are lost, since a destructor must not panic.
        // mistake: permits-lost
        state.hold(state.permits.get().saturating_add(self.count));
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").field("count", &self.count).finish_non_exhaustive()
    }
}

const CLOSED: &str = "the semaphore is closed";

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::NoPermits => "the semaphore has too few permits",
            TryAcquireError::Closed => CLOSED,
        })
    }
}

impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcquireTimeoutError::Timeout => "timed out waiting for permits",
            AcquireTimeoutError::Closed => CLOSED,
        })
    }
}

impl Error for AcquireError {}
impl Error for TryAcquireError {}
impl Error for AcquireTimeoutError {}
