//! Join handles.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::handle::Thread;
#[cfg(doc)]
use crate::cancel::Cancelled;
use crate::channel::Join;
use crate::kernel::{Owned, Payload};
use crate::runtime::{End, Scope, Spawned};

/// The result of [`JoinHandle::join`]: the value that the closure returned, or the payload of
/// the panic that ended it.
pub type Result<T> = std::result::Result<T, Payload>;

/// An owned permission to wait for a green thread and to take its result; see
/// [`spawn`](super::spawn). Dropping it detaches the thread, which goes on by itself.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let handle = leno::spawn(|| 6 * 7);
///     assert_eq!(handle.join().unwrap(), 42);
/// });
/// ```
pub struct JoinHandle<T> {
    /// `None` once the result has been awaited.
    spawned: Option<Spawned<T>>,
    thread: OnceCell<Thread>,
}

/// The join handle of a green thread of a [`Scope`].
///
/// # Examples
///
/// See [`scope`](super::scope).
pub struct ScopedJoinHandle<'scope, T> {
    pub(super) handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> JoinHandle<T> {
    /// Returns the join handle of a green thread.
    #[inline(always)]
    pub(super) fn new(owned: Owned<T>) -> Self {
        JoinHandle { spawned: Some(Spawned::new(owned)), thread: OnceCell::new() }
    }

    /// Waits until the green thread has ended, and returns what its closure returned.
    ///
    /// # Errors
    ///
    /// The payload of the panic, if the closure panicked. [`Cancelled`], if the thread was
    /// cancelled, or has passed on the `Cancelled` of another thread.
    ///
    /// # Panics
    ///
    /// Outside the runtime, unless the thread has ended already. If the result has been
    /// awaited.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the caller is unwound here, the thread is detached.
    ///
    /// # Examples
    ///
    /// See [`JoinHandle`].
    #[inline(always)]
    #[track_caller]
    pub fn join(self) -> Result<T> {
        match self.spawned {
            Some(spawned) => spawned.join(),
            None => already_awaited(),
        }
    }

    /// Waits as [`join`](JoinHandle::join), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the green thread has not ended by then. The error gives the handle back.
    ///
    /// # Panics
    ///
    /// As [`join`](JoinHandle::join).
    ///
    /// # Cancellation
    ///
    /// As [`join`](JoinHandle::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let handle = leno::spawn(leno::thread::park);
    ///     let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
    ///     handle.thread().unpark();
    ///     assert!(handle.join_timeout(Duration::from_secs(60)).unwrap().is_ok());
    /// });
    /// ```
    #[track_caller]
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        let at = Location::caller();
        let Some(spawned) = self.spawned else { already_awaited() };
        if spawned.wait_for(timeout, at) {
            Ok(spawned.take())
        } else {
            Err(JoinHandle { spawned: Some(spawned), ..self })
        }
    }

    /// Returns `true` if the closure has ended. Then `join` does not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     let handle = leno::spawn(|| ());
    ///     assert!(!handle.is_finished());
    ///     leno::yield_now();
    ///     assert!(handle.is_finished());
    /// });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        match &self.spawned {
            Some(spawned) => spawned.is_finished(),
            None => true,
        }
    }

    /// Cancels the green thread: unwinds it where it waits now, or where it waits or yields
    /// next. Its destructors run, and `join` returns [`Cancelled`]. A thread that has not
    /// begun drops its closure.
    ///
    /// A wait that has ended already, by a value or by its deadline, is not undone: its
    /// result is not lost, and the unwinding begins at the next wait. Nothing is unwound
    /// inside [`shield`](super::shield). A closure that never waits again returns as usual,
    /// and `join` returns its value.
    ///
    /// Has no effect if the green thread has ended, or has been cancelled before.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread::{self, Cancelled};
    ///
    /// leno::run(|| {
    ///     let handle = thread::spawn(thread::park);
    ///     handle.cancel();
    ///     assert!(handle.join().unwrap_err().is::<Cancelled>());
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        if let Some(spawned) = &self.spawned {
            spawned.cancel();
        }
    }

    /// Returns a handle to the green thread.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     let handle = leno::spawn(leno::thread::park);
    ///     handle.thread().unpark();
    ///     handle.join().unwrap();
    /// });
    /// ```
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.thread.get_or_init(|| match &self.spawned {
            Some(spawned) => Thread::new(spawned.info()),
            None => already_awaited(),
        })
    }

    /// Returns the result. Until there is one, registers `waker` to be woken at the end.
    #[track_caller]
    pub(super) fn poll_end(&mut self, waker: &Waker) -> Poll<Result<T>> {
        if self.spawned.as_ref().is_some_and(|spawned| spawned.wake_at_end(waker)) {
            return Poll::Pending;
        }
        if self.spawned.is_some() {
            // The handle may be asked for later.
            let _ = self.thread();
        }
        match self.spawned.take() {
            Some(spawned) => Poll::Ready(spawned.take()),
            None => already_awaited(),
        }
    }
}

/// Panics, since there is no stack for a green thread.
#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn no_stack(error: &io::Error) -> ! {
    panic!("{error}")
}

/// Panics, since the result has been taken.
#[cold]
#[track_caller]
fn already_awaited() -> ! {
    panic!("the result of this JoinHandle has been awaited already: there is only one")
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    /// Returns the join handle of a green thread of a scope.
    #[inline(always)]
    pub(super) fn new(owned: Owned<T>) -> Self {
        ScopedJoinHandle { handle: JoinHandle::new(owned), scope: PhantomData }
    }

    /// Waits for the end, and returns the result; see [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// The payload of the panic, if the closure panicked.
    ///
    /// # Panics
    ///
    /// As [`JoinHandle::join`].
    ///
    /// # Cancellation
    ///
    /// As [`JoinHandle::join`].
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     let words = ["one", "two"];
    ///     let length = leno::scope(|scope| scope.spawn(|| words.len()).join().unwrap());
    ///     assert_eq!(length, 2);
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn join(self) -> Result<T> {
        self.handle.join()
    }

    /// Waits for the end for at most `timeout`, and returns the result.
    ///
    /// # Errors
    ///
    /// If the green thread has not ended by then. The error gives the handle back.
    ///
    /// # Panics
    ///
    /// As [`JoinHandle::join`].
    ///
    /// # Cancellation
    ///
    /// As [`JoinHandle::join`].
    ///
    /// # Examples
    ///
    /// See [`JoinHandle::join_timeout`].
    #[track_caller]
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        self.handle
            .join_timeout(timeout)
            .map_err(|handle| ScopedJoinHandle { handle, scope: PhantomData })
    }

    /// Returns `true` if the closure has ended. Then `join` does not wait.
    ///
    /// # Examples
    ///
    /// See [`JoinHandle::is_finished`].
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Cancels the green thread; see [`JoinHandle::cancel`].
    ///
    /// # Examples
    ///
    /// See [`JoinHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Returns a handle to the green thread.
    ///
    /// # Examples
    ///
    /// See [`JoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a green thread that may borrow what lives longer than the scope.
    ///
    /// # Panics
    ///
    /// As [`spawn`](super::spawn).
    ///
    /// # Examples
    ///
    /// See [`scope`](super::scope).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        match self.spawn_on("leno::thread::Scope::spawn", None, None, f) {
            Ok(owned) => ScopedJoinHandle::new(owned),
            Err(error) => no_stack(&error),
        }
    }
}

impl<T> Join for JoinHandle<T> {
    fn end(&self) -> End<'_> {
        match &self.spawned {
            Some(spawned) => spawned.end(),
            None => already_awaited(),
        }
    }
}

impl<T> Join for ScopedJoinHandle<'_, T> {
    fn end(&self) -> End<'_> {
        self.handle.end()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
