//! Permits to be taken and given back.

use crate::access::{Access, Object, Told, asked, note, note_at, operation};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// A number of permits, which green threads take and give back.
///
/// Those who wait get theirs in the order in which they came: one who waits for
/// three does not starve behind many who want one. What is to be had without
/// waiting for, no permits, is had at once.
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
    /// Those who wait, each with how many it wants.
    waiting: WaitQueue<usize>,
    permits: Cell<usize>,
    closed: Cell<bool>,
    resource: Resource,
}

/// Permits, taken; see [`Semaphore::acquire`]. Dropping it gives them back.
#[must_use = "if unused, the permits are given back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
    told: Told,
}

/// The semaphore is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError;

/// Why permits were not to be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// There are too few, or somebody waits for them.
    NoPermits,
    /// The semaphore is closed.
    Closed,
}

/// Why permits were not to be had in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireTimeoutError {
    /// The time is over.
    Timeout,
    /// The semaphore is closed.
    Closed,
}

impl Semaphore {
    /// A semaphore with so many permits.
    #[track_caller]
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore {
            waiting: WaitQueue::new(),
            permits: Cell::new(permits),
            closed: Cell::new(false),
            resource: Resource::new("semaphore"),
        }
    }

    /// Takes a permit. Waits until there is one.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, before or while it waits.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take("Semaphore::acquire", 1, |_| None).map_err(|_| AcquireError)
    }

    /// Takes `count` permits at once. Waits until there are so many.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire).
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, count: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take("Semaphore::acquire_many", count, |_| None).map_err(|_| AcquireError)
    }

    /// Takes a permit if there is one, and nobody waits.
    ///
    /// # Errors
    ///
    /// If there is none, or if the semaphore is closed.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits if there are so many, and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, count: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let told = note(self.object(), Access::Write, "try acquire");
        self.try_take(count).map(|()| self.permit(count, told))
    }

    #[inline(always)]
    fn try_take(&self, count: usize) -> Result<(), TryAcquireError> {
        if self.closed.get() {
            return Err(TryAcquireError::Closed);
        }
        let left = self.permits.get().checked_sub(count);
        match left.filter(|_| count == 0 || self.waiting.is_empty()) {
            Some(left) => self.permits.set(left),
            None => return Err(TryAcquireError::NoPermits),
        }
        Ok(())
    }

    #[inline(always)]
    fn permit(&self, count: usize, told: Told) -> SemaphorePermit<'_> {
        SemaphorePermit { semaphore: self, count, told }
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// As [`acquire`](Semaphore::acquire), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over, or if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire).
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        self.take("Semaphore::acquire_timeout", 1, deadline)
    }

    /// As [`acquire_many`](Semaphore::acquire_many), but waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`acquire_timeout`](Semaphore::acquire_timeout).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Semaphore::acquire).
    #[track_caller]
    pub fn acquire_many_timeout(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        self.take("Semaphore::acquire_many_timeout", count, deadline)
    }

    #[inline(always)]
    #[track_caller]
    fn take(
        &self,
        function: &'static str,
        count: usize,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        let told = operation(self.object(), Access::Write, "acquire");
        match self.try_take(count) {
            Ok(()) => {}
            Err(TryAcquireError::Closed) => return Err(AcquireTimeoutError::Closed),
            Err(TryAcquireError::NoPermits) => self.wait(function, count, deadline)?,
        }
        Ok(self.permit(count, told))
    }

    #[inline(always)]
    #[track_caller]
    fn wait(
        &self,
        function: &'static str,
        count: usize,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), AcquireTimeoutError> {
        let scheduler = scheduler(function);
        let what = if count == 1 { Want::Permit } else { Want::Permits };
        let wait = Wait::new(WaitFor::Resource(Need { what, resource: &self.resource }));
        let deadline = deadline(scheduler);
        let (outcome, wanted) = self.waiting.wait(scheduler, Some(count), &wait, deadline);
        if wanted.is_none() {
            return Ok(());
        }
        note(self.object(), Access::Write, "give up");
        // It may have been the one that others had to wait behind.
        self.grant();
        match outcome {
            Outcome::Woken => Err(AcquireTimeoutError::Closed),
            Outcome::Elapsed => Err(AcquireTimeoutError::Timeout),
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Gives permits to those who have waited longest, as far as they go.
    #[inline(never)]
    fn grant(&self) {
        while let Some(count) = self.waiting.peek()
            && let Some(left) = self.permits.get().checked_sub(count)
        {
            self.permits.set(left);
            self.waiting.take();
        }
    }

    /// Adds permits.
    ///
    /// # Panics
    ///
    /// If there were more than `usize::MAX`.
    #[inline]
    #[track_caller]
    pub fn add_permits(&self, count: usize) {
        if let Some(at) = asked() {
            self.tell("add permits to", at);
        }
        match self.permits.get().checked_add(count) {
            Some(permits) => self.hold(permits),
            None => panic!("a semaphore cannot hold more than usize::MAX permits"),
        }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, verb: &'static str, at: &'static Location<'static>) {
        note_at(self.object(), Access::Write, verb, at);
    }

    /// It has so many permits now.
    #[inline(always)]
    fn hold(&self, permits: usize) {
        self.permits.set(permits);
        if !self.waiting.is_clear() {
            self.grant();
        }
    }

    /// How many permits are there to be taken.
    #[must_use]
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        note(self.object(), Access::Read, "look at");
        self.permits.get()
    }

    /// Ends all waits for permits with an error, and all that would come. Permits
    /// that were taken can be given back.
    #[track_caller]
    pub fn close(&self) {
        note(self.object(), Access::Write, "close");
        self.closed.set(true);
        self.waiting.wake_all();
    }

    /// Has it been closed?
    #[must_use]
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        note(self.object(), Access::Read, "look at");
        self.closed.get()
    }

    /// Names the semaphore, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

impl SemaphorePermit<'_> {
    /// How many permits it stands for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Never gives them back.
    pub fn forget(mut self) {
        self.count = 0;
        self.told = None;
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(at) = self.told {
            self.semaphore.tell("release", at);
        }
        // If there are too many, these are lost: a destructor must not panic.
        self.semaphore.hold(self.semaphore.permits.get().saturating_add(self.count));
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
