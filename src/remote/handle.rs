//! Handles: a runtime as other OS threads see it.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use super::inbox::{self, Inbox, Message};
use super::join::{self, RemoteJoinHandle};
use crate::kernel::{Scheduler, ThreadId, scheduler};

/// Reaches a runtime from any OS thread: spawns green threads on it, unparks
/// and cancels those that it has.
///
/// As long as there is one, a runtime in which everybody waits sleeps in the
/// kernel, and does not take it for a deadlock. When the last one goes, it looks
/// again.
///
/// It may outlive the runtime, and then does nothing more.
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
}

/// The runtime of a [`Handle`] has ended. Gives back what was to be spawned.
pub struct Ended<F>(pub F);

impl Handle {
    /// A handle of the runtime that the caller runs in.
    ///
    /// # Panics
    ///
    /// Outside a runtime. If the system has no more descriptors.
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle::of(scheduler("leno::Handle::current"))
    }

    pub(crate) fn of(scheduler: &Scheduler) -> Handle {
        let inbox = inbox::inbox(scheduler).clone();
        inbox.add_sender();
        Handle { inbox }
    }

    /// Spawns a green thread on the runtime, as [`spawn`](crate::spawn) does from
    /// inside. It begins there as soon as the runtime comes to it: when it has
    /// nothing else to do, or after some dozens of switches.
    ///
    /// [`run`](crate::run) does not return before it has come to what was spawned
    /// until then. A [`Runtime`](crate::Runtime) that is dropped drops `f`, if it
    /// has not come to it.
    ///
    /// # Errors
    ///
    /// [`Ended`] gives `f` back if the runtime has ended.
    pub fn spawn<F, T>(&self, f: F) -> Result<RemoteJoinHandle<T>, Ended<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (promise, handle) = join::promise();
        let job = |f| Message::Spawn(Box::new(move || promise.keep(f)));
        self.inbox.send(f, job).map_err(Ended)?;
        Ok(handle)
    }

    /// As [`Thread::unpark`](crate::thread::Thread::unpark), from any OS thread.
    /// Does nothing if the green thread or its runtime has ended.
    pub fn unpark(&self, thread: ThreadId) {
        let _ = self.inbox.send(thread, Message::Unpark);
    }

    /// As [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel), from any OS
    /// thread. Does nothing if the green thread or its runtime has ended.
    pub fn cancel(&self, thread: ThreadId) {
        let _ = self.inbox.send(thread, Message::Cancel);
    }

    /// Has the runtime ended? It has when [`run`](crate::run) has returned, or the
    /// [`Runtime`](crate::Runtime) was dropped.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.inbox.is_closed()
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        self.inbox.add_sender();
        Handle { inbox: self.inbox.clone() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.remove_sender();
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
