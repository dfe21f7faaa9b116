//! A lock for one writer or several readers.

use crate::timer::deadline_after;
use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::claim::{Claim, Lock, admit, hold, release_read, release_write, try_hold};
use super::poison::{Poison, Unwinding};
use super::{LockResult, TryLockError, TryLockResult, holder};
use crate::access::{Access, Accessed, Observed, Reported, report_location};
use crate::cancel::interrupted;
use crate::kernel::{Holder, Outcome, Scheduler, Want, scheduler};

/// A value that several green threads can read or one can change, as [`std::sync::RwLock`].
///
/// Waiting threads acquire the lock in the order in which they came. The first one, if it
/// reads, acquires it together with all readers directly behind it. A reader queues up behind
/// all waiting threads, so that no writer waits for ever. Hence a thread that holds the lock to
/// read, and locks again to read while a writer waits, waits for itself.
///
/// # Examples
///
/// ```
/// use leno::sync::RwLock;
///
/// let config = RwLock::new(5);
/// {
///     let (one, other) = (config.read().unwrap(), config.read().unwrap());
///     assert_eq!(*one + *other, 10);
/// }
/// *config.write().unwrap() += 1;
/// assert_eq!(*config.read().unwrap(), 6);
/// ```
pub struct RwLock<T: ?Sized> {
    lock: Observed<Lock>,
    poison: Poison,
    value: RefCell<T>,
}

/// A lock that is held to read; see [`RwLock::read`]. Dropping the guard releases the lock. See
/// [`RwLock`] for an example.
#[must_use = "if unused, the lock is released at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    // The borrow ends after the lock has been handed over, and before another thread runs.
    value: Ref<'a, T>,
    // Not the whole `RwLock<T>`, by which the lifetimes in `T` could not be shortened.
    lock: &'a Observed<Lock>,
    reported: Reported,
    /// The place of the note that the thread holds a share.
    share: usize,
}

/// A lock that is held to write; see [`RwLock::write`]. Dropping the guard releases the lock. See
/// [`RwLock`] for an example.
#[must_use = "if unused, the lock is released at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    value: RefMut<'a, T>,
    lock: &'a RwLock<T>,
    before: Unwinding,
}

impl<T> RwLock<T> {
    /// Creates a lock that no thread holds.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = leno::sync::RwLock::new(7);
    /// assert_eq!(*lock.read().unwrap(), 7);
    /// ```
    #[track_caller]
    pub const fn new(value: T) -> RwLock<T> {
        RwLock {
            lock: Observed::new("read-write lock", Lock::new()),
            poison: Poison::new(),
            value: RefCell::new(value),
        }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::RwLock::new(7).into_inner().unwrap(), 7);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(&self.lock, || self.value.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Acquires the lock to read. Waits while a thread writes, or while another thread has
    /// waited longer.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned: a green thread has panicked or been cancelled while it held
    /// the lock to write. The error holds the guard.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, it does not hold the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = leno::sync::RwLock::new(7);
    /// assert_eq!(*lock.read().unwrap(), 7);
    /// ```
    #[inline]
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        // Readers commute: which of two is admitted first makes no difference.
        let (lock, reported) = self.poison.begin(&self.lock, Access::Commute, "read lock");
        if !try_hold(&lock, Claim::Read) {
            self.wait(lock, "RwLock::read", Claim::Read, |_| None);
        }
        self.read_guard(reported)
    }

    /// Acquires the lock to read, if no thread writes and none waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a thread writes or waits; else as [`read`](RwLock::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = leno::sync::RwLock::new(7);
    /// let guard = lock.read().unwrap();
    /// assert!(lock.try_read().is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let noted = self.lock.note_for_guard(Access::Commute, "try read lock");
        let (lock, reported) = self.poison.mark(noted);
        if !try_hold(&lock, Claim::Read) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.read_guard(reported)?)
    }

    /// Acquires the lock as [`read`](RwLock::read), but waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the timeout has elapsed. If the lock is poisoned, as
    /// [`read`](RwLock::read).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::RwLock;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let lock = RwLock::new(7);
    ///     let writer = lock.write().unwrap();
    ///     assert!(lock.read_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let (lock, reported) = self.poison.begin(&self.lock, Access::Commute, "read lock");
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !try_hold(&lock, Claim::Read)
            && !self.wait(lock, "RwLock::read_timeout", Claim::Read, deadline)
        {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.read_guard(reported)?)
    }

    /// Acquires the lock to write. Waits while another thread holds it.
    ///
    /// # Errors
    ///
    /// As [`read`](RwLock::read).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = leno::sync::RwLock::new(7);
    /// *lock.write().unwrap() += 1;
    /// assert_eq!(*lock.read().unwrap(), 8);
    /// ```
    #[inline]
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let (lock, _) = self.poison.begin(&self.lock, Access::Write, "write lock");
        let claim = Claim::Write(holder());
        if !try_hold(&lock, claim) {
            self.wait(lock, "RwLock::write", claim, |_| None);
        }
        self.write_guard()
    }

    /// Acquires the lock to write, if no thread holds it.
    ///
    /// # Errors
    ///
    /// As [`try_read`](RwLock::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = leno::sync::RwLock::new(7);
    /// let guard = lock.read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let noted = self.lock.note_for_guard(Access::Write, "try write lock");
        let (lock, _) = self.poison.mark(noted);
        if !try_hold(&lock, Claim::Write(holder())) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.write_guard()?)
    }

    /// Acquires the lock as [`write`](RwLock::write), but waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`read_timeout`](RwLock::read_timeout).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read); it is a cancellation point, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::RwLock;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let lock = RwLock::new(7);
    ///     let reader = lock.read().unwrap();
    ///     assert!(lock.write_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let (lock, _) = self.poison.begin(&self.lock, Access::Write, "write lock");
        let claim = Claim::Write(holder());
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !try_hold(&lock, claim) && !self.wait(lock, "RwLock::write_timeout", claim, deadline) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.write_guard()?)
    }

    /// Releases the lock after writing, where that is not [plain](Poison::is_plain).
    #[cold]
    #[inline(never)]
    fn release_write_rarely(&self, before: Unwinding) {
        release_write(self.poison.released(before, &self.lock, "write unlock"));
    }

    /// Waits until a release grants the claim, and returns `true` then. Returns `false` at
    /// the deadline.
    #[inline(always)]
    #[track_caller]
    fn wait(
        &self,
        lock: Accessed<'_, Lock>,
        function: &'static str,
        claim: Claim,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> bool {
        let scheduler = scheduler(function);
        let what = if matches!(claim, Claim::Read) { Want::Share } else { Want::Itself };
        let deadline = deadline(scheduler);
        let (outcome, claim) =
            lock.wait(|lock| &lock.waiting, what, scheduler, Some(claim), deadline);
        if claim.is_some() {
            // Other threads may have waited behind this one.
            // mistake: readers-wait-on
            admit(self.lock.note(Access::Write, "give up"));
            if outcome == Outcome::Interrupted {
                interrupted();
            }
        }
        claim.is_none()
    }

    /// Returns the guard of a reader that holds the lock.
    #[inline(always)]
    #[track_caller]
    fn read_guard(&self, reported: Reported) -> LockResult<RwLockReadGuard<'_, T>> {
        let holder = holder();
        self.poison.result(&self.lock, || self.share(holder, reported))
    }

    /// Returns the guard of a reader, and notes the reader for reports.
    #[inline(always)]
    fn share(&self, holder: Holder, reported: Reported) -> RwLockReadGuard<'_, T> {
        let share = self.lock.add_share(holder);
        RwLockReadGuard { value: self.value.borrow(), lock: &self.lock, reported, share }
    }

    /// Returns the guard of a writer that holds the lock.
    #[inline(always)]
    fn write_guard(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let before = Unwinding::now();
        let guard = || RwLockWriteGuard { value: self.value.borrow_mut(), lock: self, before };
        self.poison.result(&self.lock, guard)
    }

    /// Returns `true` if the lock is poisoned; see [`read`](RwLock::read), and
    /// [`Mutex::clear_poison`](super::Mutex::clear_poison) for an example.
    #[must_use]
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set(&self.lock)
    }

    /// Clears the poison flag: the value is consistent again. See
    /// [`Mutex::clear_poison`](super::Mutex::clear_poison) for an example.
    #[track_caller]
    pub fn clear_poison(&self) {
        self.poison.clear(&self.lock);
    }

    /// Returns the value without locking, since the caller has exclusive access.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = leno::sync::RwLock::new(7);
    /// *lock.get_mut().unwrap() = 8;
    /// assert_eq!(*lock.read().unwrap(), 8);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(&self.lock, || self.value.get_mut())
    }

    /// Names the lock for reports, as [`Mutex::set_name`](super::Mutex::set_name).
    pub fn set_name(&self, name: impl Into<String>) {
        self.lock.set_name(name.into());
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Converts the guard of a writer into that of a reader. No other thread writes in between.
    /// Readers that have waited longest acquire the lock as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(7);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 8;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.read().unwrap()), (8, 8));
    /// ```
    #[track_caller]
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = guard.lock;
        let reported = report_location();
        // Keeps writers away during the release, which is reported.
        hold(&lock.lock.unreported("no other thread reads it before the release"), Claim::Read);
        drop(guard);
        lock.share(holder(), reported)
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.remove_share(self.share);
        release_read(match self.reported {
            None => self.lock.unreported("the guard's lock was not reported either"),
            Some(at) => self.lock.note_at(Access::Write, "read unlock", at),
        });
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.poison.is_plain() {
            release_write(self.lock.lock.unreported("the guard's lock was not reported either"));
        } else {
            self.lock.release_write_rarely(self.before);
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}
impl<T: ?Sized + RefUnwindSafe> UnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized> UnwindSafe for RwLockWriteGuard<'_, T> {}
impl<T: ?Sized> RefUnwindSafe for RwLockWriteGuard<'_, T> {}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => text.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => text.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => text.field("data", &format_args!("<locked>")),
        };
        text.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
