//! Condition variables.

use crate::access::{Access, Object, also, note};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::mutex::MutexGuard;
use super::{LockResult, PoisonError, holder};

/// Waiting for a change of what a [`Mutex`](super::Mutex) guards, as
/// [`std::sync::Condvar`].
///
/// Nobody is woken who was not notified, and it may be used with several mutexes.
///
/// Waiting is a cancellation point, at which the lock is not held: a green thread
/// that is cancelled there does not poison the mutex. One that has been notified
/// gets the lock back before anything else, even if it is cancelled meanwhile, and
/// can act on the notification; it is unwound where it waits next.
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
    waiting: WaitQueue<()>,
    resource: Resource,
}

/// Whether a wait ended because its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult {
    timed_out: bool,
}

impl WaitTimeoutResult {
    /// Was the time over before it was notified?
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    /// A condition variable that nobody waits for.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { waiting: WaitQueue::new(), resource: Resource::new("condvar") }
    }

    /// Releases the lock, waits until it is notified, and takes the lock again.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned when it has the lock again.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let scheduler = scheduler("Condvar::wait");
        self.wait_until(scheduler, guard, None).0
    }

    /// Waits as long as `condition` holds.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
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

    /// As [`wait`](Condvar::wait), but waits at most so long to be notified.
    /// Taking the lock again may take longer.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
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

    /// Waits as long as `condition` holds, and at most so long. If the time is
    /// over, `condition` has held to the end.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
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

    /// `deadline` may have passed since it was computed.
    #[track_caller]
    fn wait_until<'a, T: ?Sized>(
        &self,
        scheduler: &Scheduler,
        guard: MutexGuard<'a, T>,
        deadline: Option<u64>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let need = Need { what: Want::Notification, resource: &self.resource };
        let wait = Wait::new(WaitFor::Resource(need));
        let (mutex, before) = guard.release();
        // Nobody has run since the lock was released: no notification is missed.
        also(self.object(), Access::Write);
        scheduler.checkpoint();
        let (outcome, _) = self.waiting.wait(scheduler, None, &wait, deadline);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        let guard = mutex.lock_again(scheduler, holder(), before);
        (guard, WaitTimeoutResult { timed_out: outcome == Outcome::Elapsed })
    }

    /// Wakes the one who has waited longest.
    #[track_caller]
    pub fn notify_one(&self) {
        note(self.object(), Access::Write, "notify one");
        self.waiting.wake_one();
    }

    /// Wakes all who wait. They get the lock in the order in which they came.
    #[track_caller]
    pub fn notify_all(&self) {
        note(self.object(), Access::Write, "notify all");
        self.waiting.wake_all();
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Names the condition variable, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

/// Puts the result of the wait beside the guard, in an error as well.
fn with_result<G>(
    (guard, result): (LockResult<G>, WaitTimeoutResult),
) -> LockResult<(G, WaitTimeoutResult)> {
    match guard {
        Ok(guard) => Ok((guard, result)),
        Err(error) => Err(PoisonError::new((error.into_inner(), result))),
    }
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

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
