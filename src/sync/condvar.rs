//! Condition variables.

use crate::timer::{deadline_after, refresh};
use std::fmt;
use std::time::Duration;

use super::mutex::MutexGuard;
use super::{LockResult, PoisonError, holder};
use crate::access::{Access, Observed};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, WaitQueue, Want, scheduler};

/// A wait for a change of what a [`Mutex`](super::Mutex) guards, as
/// [`std::sync::Condvar`].
///
/// There are no spurious wakeups. A condition variable can be used with several mutexes.
///
/// # Cancellation
///
/// Waiting is a cancellation point, at which the lock is not held: a thread that is cancelled
/// there does not poison the mutex. A thread that has been notified acquires the lock first,
/// even if it is cancelled meanwhile, and can act on the notification; it is unwound where it
/// waits next.
///
/// # Examples
///
/// ```
/// use leno::sync::{Condvar, Mutex};
///
/// leno::run(|| {
///     let (queue, filled) = (Mutex::new(Vec::new()), Condvar::new());
///     leno::scope(|scope| {
///         scope.spawn(|| {
///             queue.lock().unwrap().push("job");
///             filled.notify_one();
///         });
///         let queue = queue.lock().unwrap();
///         let mut queue = filled.wait_while(queue, |queue| queue.is_empty()).unwrap();
///         assert_eq!(queue.pop(), Some("job"));
///     });
/// });
/// ```
pub struct Condvar {
    /// The threads that wait for a notification.
    waiting: Observed<WaitQueue<()>>,
}

/// How a wait with a timeout ended.
///
/// # Examples
///
/// See [`Condvar::wait_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult {
    timed_out: bool,
}

impl WaitTimeoutResult {
    /// Returns `true` if the timeout elapsed before a notification came.
    ///
    /// # Examples
    ///
    /// See [`Condvar::wait_timeout`].
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    /// Creates a condition variable.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Condvar::new().notify_all(); // no thread waits
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { waiting: Observed::new("condvar", WaitQueue::new()) }
    }

    /// Releases the lock, waits for a notification, and acquires the lock again.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned when the lock is acquired again.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, at which the lock is not held; see [`Condvar`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::{Condvar, Mutex};
    ///
    /// leno::run(|| {
    ///     let (ready, changed) = (Mutex::new(false), Condvar::new());
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| {
    ///             *ready.lock().unwrap() = true;
    ///             changed.notify_one();
    ///         });
    ///         let mut guard = ready.lock().unwrap();
    ///         while !*guard {
    ///             guard = changed.wait(guard).unwrap();
    ///         }
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let scheduler = scheduler("Condvar::wait");
        self.wait_until(scheduler, guard, None).0
    }

    /// Waits while `condition` returns `true`. It is called with the lock held, before the
    /// first wait and after each.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// See [`Condvar`].
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits as [`wait`](Condvar::wait), but for a notification for at most `timeout`.
    /// Acquiring the lock again may take longer.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::{Condvar, Mutex};
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (mutex, changed) = (Mutex::new(7), Condvar::new());
    ///     let guard = mutex.lock().unwrap();
    ///     let (guard, result) = changed.wait_timeout(guard, Duration::from_millis(1)).unwrap();
    ///     assert!(result.timed_out());
    ///     assert_eq!(*guard, 7);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let scheduler = scheduler("Condvar::wait_timeout");
        let deadline = deadline_after(scheduler, timeout);
        with_result(self.wait_until(scheduler, guard, deadline))
    }

    /// Waits as [`wait_while`](Condvar::wait_while), but for at most `timeout`. If the result
    /// says that the timeout elapsed, `condition` returned `true` to the end.
    ///
    /// All waits have one deadline. If it has passed when a notified thread has the lock again and
    /// finds that `condition` returns `true`, the lock is released once more, other threads have a
    /// turn, and the wait is over.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::{Condvar, Mutex};
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (mutex, changed) = (Mutex::new(7), Condvar::new());
    ///     let (guard, timeout) = (mutex.lock().unwrap(), Duration::from_millis(1));
    ///     let (guard, result) = changed.wait_timeout_while(guard, timeout, |n| *n == 7).unwrap();
    ///     assert!(result.timed_out());
    ///     assert_eq!(*guard, 7);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let mut timed_out = false;
        let mut deadline = None;
        while condition(&mut *guard) {
            if timed_out {
                return Ok((guard, WaitTimeoutResult { timed_out }));
            }
            let scheduler = scheduler("Condvar::wait_timeout_while");
            if deadline.is_some() {
                refresh(scheduler);
            }
            let until = *deadline.get_or_insert_with(|| deadline_after(scheduler, timeout));
            let (result, timeout) = self.wait_until(scheduler, guard, until);
            timed_out = timeout.timed_out;
            guard = match result {
                Ok(guard) => guard,
                Err(error) => return with_result((Err(error), timeout)),
            };
        }
        Ok((guard, WaitTimeoutResult { timed_out: false }))
    }

    /// Waits for a notification until `deadline`, which may have passed since it was computed.
    #[track_caller]
    fn wait_until<'a, T: ?Sized>(
        &self,
        scheduler: &Scheduler,
        guard: MutexGuard<'a, T>,
        deadline: Option<u64>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let (mutex, before) = guard.release();
        // No other thread has run since the lock was released: no notification is missed.
        let waiting = self.waiting.also(Access::Write);
        // mistake: cancelled-notification-awaited
        scheduler.checkpoint();
        let (outcome, _) =
            waiting.wait(|waiting| waiting, Want::Notification, scheduler, None, deadline);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        let guard = mutex.lock_again(scheduler, holder(), before);
        (guard, WaitTimeoutResult { timed_out: outcome == Outcome::Elapsed })
    }

    /// Wakes the thread that has waited longest, if any.
    ///
    /// # Examples
    ///
    /// See [`Condvar`].
    #[track_caller]
    pub fn notify_one(&self) {
        self.waiting.note(Access::Write, "notify one").wake_one();
    }

    /// Wakes all waiting threads. They acquire the lock in the order in which they came.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::{Condvar, Mutex};
    ///
    /// leno::run(|| {
    ///     let (open, changed) = (Mutex::new(false), Condvar::new());
    ///     leno::scope(|scope| {
    ///         for _ in 0..3 {
    ///             scope.spawn(|| changed.wait_while(open.lock().unwrap(), |open| !*open).is_ok());
    ///         }
    ///         leno::yield_now();
    ///         *open.lock().unwrap() = true;
    ///         changed.notify_all();
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn notify_all(&self) {
        // mistake: one-notified
        self.waiting.note(Access::Write, "notify all").wake_all();
    }

    /// Names the condition variable for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Condvar::new().set_name("ready");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.waiting.set_name(name.into());
    }
}

/// Puts the result of the wait next to the guard, also in an error.
fn with_result<G>(
    (guard, result): (LockResult<G>, WaitTimeoutResult),
) -> LockResult<(G, WaitTimeoutResult)> {
    match guard {
        Ok(guard) => Ok((guard, result)),
        Err(error) => Err(PoisonError::new((error.into_inner(), result))),
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
