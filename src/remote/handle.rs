//! Handles to a runtime, for other OS threads.

#![forbid(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::inbox::{self, Inbox, Message};
use super::join::{self, RemoteJoinHandle};
use crate::kernel::{Scheduler, ThreadId, scheduler};

/// A handle to a runtime, for any OS thread: spawns green threads on the runtime, unparks and
/// cancels its threads.
///
/// As long as there is a handle, a runtime in which every thread waits sleeps in the operating
/// system, and reports no deadlock: also if the handle is on the stack of such a thread. When the last
/// handle is dropped, the runtime looks again.
/// [`Builder::report_silence`](crate::Builder::report_silence) names the lines where they were made.
///
/// A handle may outlive its runtime, and then does nothing.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| {
///     let (handle, me) = (leno::Handle::current(), thread::current().id());
///     std::thread::spawn(move || {
///         let sum = handle.spawn(|| (1..=10).sum::<i32>()).unwrap();
///         assert_eq!(sum.join().unwrap(), 55);
///         handle.unpark(me);
///     });
///     thread::park();
/// });
/// ```
pub struct Handle {
    inbox: Arc<Inbox>,
    /// The line that made it, for reports.
    made_at: &'static Location<'static>,
}

/// The error of [`Handle::spawn`] if the runtime has ended. It holds the closure.
pub struct Ended<F>(pub F);

impl Handle {
    /// Returns a handle of the runtime that the caller runs in.
    ///
    /// # Panics
    ///
    /// Outside a runtime. If the system has no more descriptors.
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle::of(scheduler("leno::Handle::current"))
    }

    #[track_caller]
    pub(crate) fn of(scheduler: &Scheduler) -> Handle {
        Handle::new(inbox::inbox(scheduler).clone())
    }

    #[track_caller]
    fn new(inbox: Arc<Inbox>) -> Handle {
        let made_at = Location::caller();
        inbox.add_sender(made_at);
        Handle { inbox, made_at }
    }

    /// Spawns a green thread on the runtime, as [`spawn`](crate::spawn) does from inside. It begins
    /// when the runtime reads its mailbox: when no thread can run, or after at most 64 switches.
    ///
    /// [`run`](crate::run) does not return before it has read what was spawned until then. A
    /// [`Runtime`](crate::Runtime) that is dropped before it has read the message drops `f`.
    ///
    /// # Errors
    ///
    /// [`Ended`], which holds `f`, if the runtime has ended.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> Result<RemoteJoinHandle<T>, Ended<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        let (promise, handle) = join::promise();
        let job = |f| Message::Spawn(Box::new(move || promise.keep(f)), at);
        self.inbox.send(f, job).map_err(Ended)?;
        Ok(handle)
    }

    /// Unparks a thread as [`Thread::unpark`](crate::thread::Thread::unpark) does.
    /// Does nothing if the green thread or its runtime has ended.
    pub fn unpark(&self, thread: ThreadId) {
        let _ = self.inbox.send(thread, Message::Unpark);
    }

    /// Cancels a thread as [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel) does, when the
    /// runtime reads its mailbox: a green thread that never switches must call
    /// [`thread::yield_if_due`](crate::thread::yield_if_due). Does nothing if the green thread or its
    /// runtime has ended.
    pub fn cancel(&self, thread: ThreadId) {
        let _ = self.inbox.send(thread, Message::Cancel);
    }

    /// Returns `true` if the runtime has ended: [`run`](crate::run) has returned, or the
    /// [`Runtime`](crate::Runtime) was dropped.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.inbox.is_closed()
    }
}

impl Clone for Handle {
    #[track_caller]
    fn clone(&self) -> Handle {
        Handle::new(self.inbox.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.remove_sender(self.made_at);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_ended", &self.is_ended()).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Ended<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ended(..)")
    }
}

impl<F> fmt::Display for Ended<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime of this handle has ended; nothing was spawned")
    }
}

impl<F> std::error::Error for Ended<F> {}
