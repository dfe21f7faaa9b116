//! Mutual exclusion.

use crate::cancel::{block_shielded, interrupted};
use crate::timer::deadline_after;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::poison::{Poison, Unwinding};
use super::{LockResult, TryLockError, TryLockResult, holder};
use crate::access::{Access, Accessed, Observed, is_reported};
use crate::kernel::{Holder, Outcome, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler};

/// A value that one green thread at a time can use, as [`std::sync::Mutex`].
///
/// Waiting threads acquire the lock in the order in which they came. An uncontended lock and
/// its release switch to no other thread.
///
/// A thread that locks a mutex which it holds already waits for itself. If no other thread
/// can run, the deadlock report says so.
///
/// # Examples
///
/// ```
/// use leno::sync::{Arc, Mutex};
///
/// leno::run(|| {
///     let total = Arc::new(Mutex::new(0));
///     leno::scope(|scope| {
///         for n in 1..=3 {
///             let total = &total;
///             scope.spawn(move || {
///                 let mut total = total.lock().unwrap();
///                 let before = *total;
///                 leno::yield_now(); // no other thread can change it here
///                 *total = before + n;
///             });
///         }
///     });
///     assert_eq!(*total.lock().unwrap(), 6);
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    lock: Observed<Lock>,
    poison: Poison,
    value: RefCell<T>,
}

/// The lock itself. It is free if it has no [holder](Accessed::holder).
struct Lock {
    /// The threads that wait, each with the holder that it will be.
    waiting: WaitQueue<Holder>,
}

/// A mutex that is locked; see [`Mutex::lock`]. Dropping the guard releases the lock.
///
/// # Examples
///
/// ```
/// use leno::sync::Mutex;
///
/// let mutex = Mutex::new(1);
/// let mut guard = mutex.lock().unwrap();
/// *guard += 1;
/// assert!(mutex.try_lock().is_err());
/// drop(guard);
/// assert_eq!(*mutex.lock().unwrap(), 2);
/// ```
#[must_use = "if unused, the lock is released at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    // Its borrow ends after the lock has been handed over, and before another thread runs.
    value: RefMut<'a, T>,
    mutex: &'a Mutex<T>,
    before: Unwinding,
}

impl<T> Mutex<T> {
    /// Creates a mutex that is not locked.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = leno::sync::Mutex::new(7);
    /// assert_eq!(*mutex.lock().unwrap(), 7);
    /// ```
    #[track_caller]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            lock: Observed::new("mutex", Lock { waiting: WaitQueue::new() }),
            poison: Poison::new(),
            value: RefCell::new(value),
        }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::Mutex::new(7).into_inner().unwrap(), 7);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(&self.lock, || self.value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Acquires the lock. Waits while another thread holds it.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned: a green thread has panicked or been cancelled while it held
    /// the lock. The error holds the guard.
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
    /// use leno::sync::Mutex;
    ///
    /// let names = Mutex::new(Vec::new());
    /// names.lock().unwrap().push("ann");
    /// assert_eq!(names.lock().unwrap().len(), 1);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let (lock, _) = self.poison.begin(&self.lock, Access::Write, "lock");
        let holder = holder();
        if !try_hold(&lock, holder) {
            wait(lock, "Mutex::lock", holder, |_| None);
        }
        self.guard(Unwinding::now())
    }

    /// Acquires the lock if no other thread holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a thread holds it. If the mutex is poisoned, as
    /// [`lock`](Mutex::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = leno::sync::Mutex::new(7);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let (lock, _) = self.poison.mark(self.lock.note_for_guard(Access::Write, "try lock"));
        if !try_hold(&lock, holder()) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.guard(Unwinding::now())?)
    }

    /// Acquires the lock as [`lock`](Mutex::lock), but waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the timeout has elapsed. If the mutex is poisoned, as
    /// [`lock`](Mutex::lock).
    ///
    /// # Panics
    ///
    /// As [`lock`](Mutex::lock).
    ///
    /// # Cancellation
    ///
    /// As [`lock`](Mutex::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Mutex;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let mutex = Mutex::new(7);
    ///     let guard = mutex.lock().unwrap();
    ///     assert!(mutex.lock_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        let (lock, _) = self.poison.begin(&self.lock, Access::Write, "lock");
        let holder = holder();
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !try_hold(&lock, holder) && !wait(lock, "Mutex::lock_timeout", holder, deadline) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.guard(Unwinding::now())?)
    }

    /// Releases the lock, where that is not [plain](Poison::is_plain).
    #[cold]
    #[inline(never)]
    fn release_rarely(&self, before: Unwinding) {
        hand_over(self.poison.released(before, &self.lock, "unlock"));
    }

    /// Acquires the lock for a thread that held it before, at `holder.at`. No cancellation
    /// and no deadline ends the wait.
    pub(super) fn lock_again(
        &self,
        scheduler: &Scheduler,
        holder: Holder,
        before: Unwinding,
    ) -> LockResult<MutexGuard<'_, T>> {
        // The wait that ends here was reported at the same line.
        let lock = self.lock.note_at(Access::Write, "lock", holder.at);
        let reported = is_reported().then_some(holder.at);
        let (lock, _) = self.poison.mark((lock, reported));
        if !try_hold(&lock, holder) {
            let wait = Wait::at(WaitFor::Resource(self.lock.need(Want::Itself)), holder.at);
            scheduler.count_wait_for_threads();
            let block = || block_shielded(scheduler, &wait);
            let waited = lock.enrolled(|lock| &lock.waiting, scheduler, Some(holder), block);
            if waited.slot.is_some() {
                interrupted();
            }
        }
        self.guard(before)
    }

    /// Returns the guard of the thread that holds the lock.
    #[inline(always)]
    fn guard(&self, before: Unwinding) -> LockResult<MutexGuard<'_, T>> {
        let guard = || MutexGuard { value: self.value.borrow_mut(), mutex: self, before };
        self.poison.result(&self.lock, guard)
    }

    /// Returns `true` if a green thread has panicked or been cancelled while it held the
    /// lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!leno::sync::Mutex::new(7).is_poisoned());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set(&self.lock)
    }

    /// Clears the poison flag: the value is consistent again.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Mutex;
    ///
    /// leno::run(|| {
    ///     let mutex = Mutex::new(7);
    ///     leno::scope(|scope| {
    ///         let holder = scope.spawn(|| {
    ///             let _guard = mutex.lock();
    ///             leno::thread::park();
    ///         });
    ///         leno::yield_now();
    ///         holder.cancel();
    ///     });
    ///     assert!(mutex.is_poisoned());
    ///     mutex.clear_poison();
    ///     assert!(mutex.lock().is_ok());
    /// });
    /// ```
    #[track_caller]
    pub fn clear_poison(&self) {
        self.poison.clear(&self.lock);
    }

    /// Returns the value without locking, since the caller has exclusive access.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut mutex = leno::sync::Mutex::new(7);
    /// *mutex.get_mut().unwrap() = 8;
    /// assert_eq!(*mutex.lock().unwrap(), 8);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(&self.lock, || self.value.get_mut())
    }

    /// Names the mutex for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Mutex::new(7).set_name("the lucky number");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.lock.set_name(name.into());
    }
}

/// Acquires the lock if it is free, and returns `true` then.
#[inline(always)]
fn try_hold(lock: &Accessed<'_, Lock>, holder: Holder) -> bool {
    let is_free = lock.holder().is_none();
    if is_free {
        lock.set_holder(Some(holder));
    }
    is_free
}

/// Waits until a release makes `holder` the holder, and returns `true` then. Returns `false`
/// at the deadline.
#[inline(always)]
#[track_caller]
fn wait(
    lock: Accessed<'_, Lock>,
    function: &'static str,
    holder: Holder,
    deadline: impl FnOnce(&Scheduler) -> Option<u64>,
) -> bool {
    let scheduler = scheduler(function);
    let deadline = deadline(scheduler);
    match lock.wait(|lock| &lock.waiting, Want::Itself, scheduler, Some(holder), deadline) {
        (_, None) => true,
        (Outcome::Interrupted, Some(_)) => interrupted(),
        (_, Some(_)) => false,
    }
}

/// Releases the lock.
#[inline(always)]
fn release(lock: Accessed<'_, Lock>) {
    if lock.waiting.is_clear() {
        lock.set_holder(None);
    } else {
        hand_over(lock);
    }
}

/// Makes the thread that has waited longest the holder, if a thread waits.
#[inline(never)]
fn hand_over(lock: Accessed<'_, Lock>) {
    // mistake: mutex-not-handed-over
    lock.set_holder(lock.waiting.take());
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Releases the lock, and returns what [`Mutex::lock_again`] needs.
    pub(super) fn release(self) -> (&'a Mutex<T>, Unwinding) {
        (self.mutex, self.before)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.mutex.poison.is_plain() {
            release(self.mutex.lock.unreported("the guard's lock was not reported either"));
        } else {
            self.mutex.release_rarely(self.before);
        }
    }
}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}
impl<T: ?Sized> UnwindSafe for MutexGuard<'_, T> {}
impl<T: ?Sized> RefUnwindSafe for MutexGuard<'_, T> {}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => text.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => text.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => text.field("data", &format_args!("<locked>")),
        };
        text.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
