//! One who writes, or many who read.

use crate::access::{Access, Object, Told, asked, note, note_at};
use crate::cancel::interrupted;
use crate::kernel::{
    Holder, Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::poison::{Poison, Unwinding};
use super::{LockResult, TryLockError, TryLockResult, holder};

/// A value that many green threads can read or one can change, as
/// [`std::sync::RwLock`].
///
/// The lock goes to those who wait for it in the order in which they came; if the
/// first of them wants to read, so do all who come directly after it. Whoever
/// wants to read when another one waits already queues up behind it: no writer
/// waits for ever. So a green thread that reads, and locks again to read while
/// somebody waits to write, waits for itself.
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
    waiting: WaitQueue<Claim>,
    readers: Cell<usize>,
    poison: Poison,
    /// Its holder is the one who writes: there is none if nobody does.
    resource: Resource,
    value: RefCell<T>,
}

/// What one waits for.
#[derive(Clone, Copy)]
enum Claim {
    Read,
    /// And what it will be as the holder.
    Write(Holder),
}

/// The lock, held to read; see [`RwLock::read`]. Dropping it releases the lock.
#[must_use = "if unused, the lock is released at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    // These borrows end after the lock has been handed over, and before anybody
    // else runs.
    value: Ref<'a, T>,
    lock: &'a RwLock<T>,
    told: Told,
}

/// The lock, held to write; see [`RwLock::write`]. Dropping it releases the lock.
#[must_use = "if unused, the lock is released at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    value: RefMut<'a, T>,
    lock: &'a RwLock<T>,
    before: Unwinding,
}

impl<T> RwLock<T> {
    /// A lock that nobody holds.
    #[track_caller]
    pub const fn new(value: T) -> RwLock<T> {
        RwLock {
            waiting: WaitQueue::new(),
            readers: Cell::new(0),
            poison: Poison::new(),
            resource: Resource::new("read-write lock"),
            value: RefCell::new(value),
        }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the value.
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(&self.resource, || self.value.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes and nobody waits before this one, and takes the
    /// lock to read.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned: a green thread has panicked or been cancelled
    /// while it held the lock to write. The error holds the guard.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let told = self.begin(Access::Commute, "read lock");
        if !self.try_hold(Claim::Read) {
            self.wait("RwLock::read", Claim::Read, |_| None);
        }
        self.read_guard(told)
    }

    /// Takes the lock to read, if nobody writes and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if somebody does. If the lock is poisoned, as
    /// [`read`](RwLock::read).
    #[inline]
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let told = self.poison.set_told(note(self.object(), Access::Commute, "try read lock"));
        if !self.try_hold(Claim::Read) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.read_guard(told)?)
    }

    /// As [`read`](RwLock::read), but waits at most so long.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the time is over. If the lock is poisoned,
    /// as [`read`](RwLock::read).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read).
    #[track_caller]
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let told = self.begin(Access::Commute, "read lock");
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !self.try_hold(Claim::Read) && !self.wait("RwLock::read_timeout", Claim::Read, deadline)
        {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.read_guard(told)?)
    }

    /// Waits until nobody else holds the lock, and takes it to write.
    ///
    /// # Errors
    ///
    /// As [`read`](RwLock::read).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read).
    #[inline]
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.begin(Access::Write, "write lock");
        let claim = Claim::Write(holder());
        if !self.try_hold(claim) {
            self.wait("RwLock::write", claim, |_| None);
        }
        self.write_guard()
    }

    /// Takes the lock to write, if nobody holds it.
    ///
    /// # Errors
    ///
    /// As [`try_read`](RwLock::try_read).
    #[inline]
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        self.poison.set_told(note(self.object(), Access::Write, "try write lock"));
        if !self.try_hold(Claim::Write(holder())) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.write_guard()?)
    }

    /// As [`write`](RwLock::write), but waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`read_timeout`](RwLock::read_timeout).
    ///
    /// # Panics
    ///
    /// As [`read`](RwLock::read).
    #[track_caller]
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        self.begin(Access::Write, "write lock");
        let claim = Claim::Write(holder());
        let deadline = |scheduler: &Scheduler| deadline_after(scheduler, timeout);
        if !self.try_hold(claim) && !self.wait("RwLock::write_timeout", claim, deadline) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.write_guard()?)
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Two who want to read may begin in any order: it makes no difference to
    /// anybody who of them is admitted first.
    #[inline(always)]
    #[track_caller]
    fn begin(&self, access: Access, verb: &'static str) -> Told {
        self.poison.begin(&self.resource, access, verb)
    }

    /// Could the claim be granted, if nobody waited?
    #[inline(always)]
    fn is_free_for(&self, claim: Claim) -> bool {
        self.resource.holder().is_none()
            && (matches!(claim, Claim::Read) || self.readers.get() == 0)
    }

    #[inline(always)]
    fn hold(&self, claim: Claim) {
        match claim {
            Claim::Read => self.readers.set(self.readers.get() + 1),
            Claim::Write(holder) => self.resource.set_holder(Some(holder)),
        }
    }

    #[inline(always)]
    fn try_hold(&self, claim: Claim) -> bool {
        let nobody_waits = self.waiting.is_clear() || self.waiting.is_empty();
        let free = self.is_free_for(claim) && nobody_waits;
        if free {
            self.hold(claim);
        }
        free
    }

    #[inline(always)]
    fn release_read(&self) {
        self.readers.set(self.readers.get() - 1);
        self.released();
    }

    #[inline(always)]
    fn release_write(&self) {
        self.resource.set_holder(None);
        self.released();
    }

    #[cold]
    #[inline(never)]
    fn release_read_told(&self, at: &'static Location<'static>) {
        note_at(self.object(), Access::Write, "read unlock", at);
        self.release_read();
    }

    /// As [`RwLock::release_write`], if that is not [plain](Poison::is_plain).
    #[cold]
    #[inline(never)]
    fn release_write_rarely(&self, before: Unwinding) {
        self.poison.released(before, &self.resource, "write unlock");
        self.release_write();
    }

    /// Somebody has released the lock.
    #[inline(always)]
    fn released(&self) {
        if !self.waiting.is_clear() {
            self.admit();
        }
    }

    /// Grants what can be granted, to those who have waited longest.
    #[inline(never)]
    fn admit(&self) {
        while let Some(claim) = self.waiting.peek()
            && self.is_free_for(claim)
        {
            self.hold(claim);
            self.waiting.take();
        }
    }

    /// Waits until whoever releases the lock grants the claim. False at the
    /// deadline.
    #[inline(always)]
    #[track_caller]
    fn wait(
        &self,
        function: &'static str,
        claim: Claim,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> bool {
        let scheduler = scheduler(function);
        let what = if matches!(claim, Claim::Read) { Want::Share } else { Want::Itself };
        let wait = Wait::new(WaitFor::Resource(Need { what, resource: &self.resource }));
        let deadline = deadline(scheduler);
        let (outcome, claim) = self.waiting.wait(scheduler, Some(claim), &wait, deadline);
        if claim.is_some() {
            note(self.object(), Access::Write, "give up");
            // It may have been the one that others had to wait behind.
            self.admit();
            if outcome == Outcome::Interrupted {
                interrupted();
            }
        }
        claim.is_none()
    }

    #[inline(always)]
    fn read_guard(&self, told: Told) -> LockResult<RwLockReadGuard<'_, T>> {
        let guard = || RwLockReadGuard { value: self.value.borrow(), lock: self, told };
        self.poison.result(&self.resource, guard)
    }

    #[inline(always)]
    fn write_guard(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let before = Unwinding::now();
        let guard = || RwLockWriteGuard { value: self.value.borrow_mut(), lock: self, before };
        self.poison.result(&self.resource, guard)
    }

    /// Has a green thread panicked or been cancelled while it held the lock to
    /// write?
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
    /// If the lock is poisoned; the error holds the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(&self.resource, || self.value.get_mut())
    }

    /// Names the lock, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// From writing to reading: nobody writes in between, and those who have
    /// waited longest, if they want to read, go on.
    #[track_caller]
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = guard.lock;
        let told = asked();
        // Keeps those away who want to write.
        lock.hold(Claim::Read);
        drop(guard);
        RwLockReadGuard { value: lock.value.borrow(), lock, told }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.told {
            None => self.lock.release_read(),
            Some(at) => self.lock.release_read_told(at),
        }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.poison.is_plain() {
            self.lock.release_write();
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
