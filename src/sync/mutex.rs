//! Mutual exclusion.

use crate::access::{Access, Object, note, note_at};
use crate::cancel::{block_shielded, interrupted};
use crate::kernel::{
    Holder, Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::poison::{Poison, Unwinding};
use super::{LockResult, TryLockError, TryLockResult, holder};

/// A value that one green thread at a time can use, as [`std::sync::Mutex`].
///
/// The lock goes to those who wait for it in the order in which they came.
///
/// A green thread that locks a mutex which it holds already waits for itself: if
/// nothing else can run, the deadlock report says so.
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
///                 leno::yield_now(); // nobody else can change it here
///                 *total = before + n;
///             });
///         }
///     });
///     assert_eq!(*total.lock().unwrap(), 6);
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    /// Those who wait, each with what it will be as the holder.
    waiting: WaitQueue<Holder>,
    poison: Poison,
    /// Its holder is the lock: there is none if it is free.
    resource: Resource,
    value: RefCell<T>,
}

/// The lock, held; see [`Mutex::lock`]. Dropping it releases the lock.
#[must_use = "if unused, the lock is released at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    // Its borrow ends after the lock has been handed over, and before anybody
    // else runs.
    value: RefMut<'a, T>,
    mutex: &'a Mutex<T>,
    before: Unwinding,
}

impl<T> Mutex<T> {
    /// A mutex that nobody holds.
    #[track_caller]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            waiting: WaitQueue::new(),
            poison: Poison::new(),
            resource: Resource::new("mutex"),
            value: RefCell::new(value),
        }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the value.
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(&self.resource, || self.value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody else holds the lock, and takes it.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned: a green thread has panicked or been cancelled
    /// while it held the lock. The error holds the guard.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.poison.begin(&self.resource, Access::Write, "lock");
        let holder = holder();
        if !self.try_hold(holder) {
            self.wait("Mutex::lock", holder, |_| None);
        }
        self.guard(Unwinding::now())
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if somebody does. If the mutex is poisoned, as
    /// [`lock`](Mutex::lock).
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.poison.set_told(note(self.object(), Access::Write, "try lock"));
        if !self.try_hold(holder()) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.guard(Unwinding::now())?)
    }

    /// As [`lock`](Mutex::lock), but waits at most so long.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the time is over. If the mutex is poisoned,
    /// as [`lock`](Mutex::lock).
    ///
    /// # Panics
    ///
    /// As [`lock`](Mutex::lock).
    #[track_caller]
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        self.poison.begin(&self.resource, Access::Write, "lock");
        let holder = holder();
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !self.try_hold(holder) && !self.wait("Mutex::lock_timeout", holder, deadline) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.guard(Unwinding::now())?)
    }

    #[inline(always)]
    fn try_hold(&self, holder: Holder) -> bool {
        let free = self.resource.holder().is_none();
        if free {
            self.resource.set_holder(Some(holder));
        }
        free
    }

    #[inline(always)]
    fn release(&self) {
        if self.waiting.is_clear() {
            self.resource.set_holder(None);
        } else {
            self.hand_over();
        }
    }

    /// As [`Mutex::release`], if that is not [plain](Poison::is_plain).
    #[cold]
    #[inline(never)]
    fn release_rarely(&self, before: Unwinding) {
        self.poison.released(before, &self.resource, "unlock");
        self.hand_over();
    }

    /// The one who has waited longest is the holder, if there still is one.
    #[inline(never)]
    fn hand_over(&self) {
        self.resource.set_holder(self.waiting.take());
    }

    /// Waits until it is the holder, which whoever releases the lock makes it.
    /// False at the deadline.
    #[inline(always)]
    #[track_caller]
    fn wait(
        &self,
        function: &'static str,
        holder: Holder,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> bool {
        let scheduler = scheduler(function);
        let wait = Wait::new(self.need());
        let deadline = deadline(scheduler);
        match self.waiting.wait(scheduler, Some(holder), &wait, deadline) {
            (_, None) => true,
            (Outcome::Interrupted, Some(_)) => interrupted(),
            (_, Some(_)) => false,
        }
    }

    /// Takes the lock as one who had it before, at `holder.at`: come what may.
    pub(super) fn lock_again(
        &self,
        scheduler: &Scheduler,
        holder: Holder,
        before: Unwinding,
    ) -> LockResult<MutexGuard<'_, T>> {
        // Where it waited has been told already.
        self.poison.set_told(note_at(self.object(), Access::Write, "lock", holder.at));
        if !self.try_hold(holder) {
            let wait = Wait::at(self.need(), holder.at);
            let block = || block_shielded(scheduler, &wait);
            if self.waiting.enrolled(scheduler, Some(holder), block).slot.is_some() {
                interrupted();
            }
        }
        self.guard(before)
    }

    #[inline(always)]
    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    fn need(&self) -> WaitFor<'_> {
        WaitFor::Resource(Need { what: Want::Itself, resource: &self.resource })
    }

    #[inline(always)]
    fn guard(&self, before: Unwinding) -> LockResult<MutexGuard<'_, T>> {
        let guard = || MutexGuard { value: self.value.borrow_mut(), mutex: self, before };
        self.poison.result(&self.resource, guard)
    }

    /// Has a green thread panicked or been cancelled while it held the lock?
    #[must_use]
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        self.poison.look(&self.resource)
    }

    /// Says that the value is all right again.
    #[track_caller]
    pub fn clear_poison(&self) {
        self.poison.clear(&self.resource);
    }

    /// The value, without locking: nobody else can use it meanwhile.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(&self.resource, || self.value.get_mut())
    }

    /// Names the mutex, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Releases the lock, and gives what it takes to get it back.
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
            self.mutex.release();
        } else {
            self.mutex.release_rarely(self.before);
        }
    }
}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

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
