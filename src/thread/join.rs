//! Join handles.

use std::cell::OnceCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Poll, Waker};
use std::time::Duration;

#[cfg(doc)]
use super::Cancelled;
use super::{Builder, Scope, Thread};
use crate::kernel::{Owned, Payload};
use crate::runtime::Spawned;

/// What [`JoinHandle::join`] gives: what the closure returned, or the payload of
/// the panic that ended it.
pub type Result<T> = std::result::Result<T, Payload>;

/// Waits for a green thread and takes its result; see [`spawn`](super::spawn).
/// Dropping it lets the green thread go on by itself.
pub struct JoinHandle<T> {
    /// None once the result has been awaited.
    spawned: Option<Spawned<T>>,
    thread: OnceCell<Thread>,
}

/// The join handle of a green thread of a [`Scope`].
pub struct ScopedJoinHandle<'scope, T> {
    pub(super) handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> JoinHandle<T> {
    #[inline(always)]
    pub(super) fn new(owned: Owned<T>) -> Self {
        JoinHandle { spawned: Some(Spawned::new(owned)), thread: OnceCell::new() }
    }

    /// Waits until the green thread has ended, and gives what its closure
    /// returned.
    ///
    /// # Errors
    ///
    /// The payload of the panic, if the closure panicked. [`Cancelled`], if it was
    /// cancelled.
    ///
    /// # Panics
    ///
    /// Outside the runtime, unless it has ended already. If the result has been
    /// awaited.
    #[inline(always)]
    #[track_caller]
    pub fn join(self) -> Result<T> {
        match self.spawned {
            Some(spawned) => spawned.join(),
            None => given(),
        }
    }

    /// As [`join`](JoinHandle::join), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the handle back if the green thread has not ended by then.
    ///
    /// # Panics
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
        let Some(spawned) = self.spawned else { given() };
        if spawned.wait_for(timeout, at) {
            Ok(spawned.take())
        } else {
            Err(JoinHandle { spawned: Some(spawned), ..self })
        }
    }

    /// Has the closure ended? Then `join` will not wait.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        match &self.spawned {
            Some(spawned) => spawned.is_finished(),
            None => true,
        }
    }

    /// Has the green thread unwound where it waits now, or where it waits or
    /// yields next: its destructors run, and `join` gives [`Cancelled`]. One that
    /// has not begun drops its closure.
    ///
    /// A wait that has been ended already, by a value or by the deadline, is not
    /// undone: what it brought is not lost, and the unwinding begins at the next
    /// one. In [`shield`](super::shield) nothing is unwound. A closure that never
    /// waits again returns as usual, and `join` gives its value.
    ///
    /// Does nothing if the green thread has ended, or has been cancelled before.
    #[track_caller]
    pub fn cancel(&self) {
        if let Some(spawned) = &self.spawned {
            spawned.cancel();
        }
    }

    /// The green thread's handle.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.thread.get_or_init(|| match &self.spawned {
            Some(spawned) => Thread::new(spawned.info()),
            None => given(),
        })
    }

    /// The result, or else `waker` is woken when there is one.
    #[track_caller]
    pub(super) fn poll_end(&mut self, waker: &Waker) -> Poll<Result<T>> {
        if self.spawned.as_ref().is_some_and(|spawned| spawned.wake_at_end(waker)) {
            return Poll::Pending;
        }
        if self.spawned.is_some() {
            // It may be asked for later.
            let _ = self.thread();
        }
        match self.spawned.take() {
            Some(spawned) => Poll::Ready(spawned.take()),
            None => given(),
        }
    }
}

#[cold]
#[track_caller]
fn given() -> ! {
    panic!("the result of this JoinHandle has been awaited already: there is only one")
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    #[inline(always)]
    pub(super) fn new(owned: Owned<T>) -> Self {
        ScopedJoinHandle { handle: JoinHandle::new(owned), scope: PhantomData }
    }

    /// Waits for the end; see [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// The payload of the panic, if the closure panicked.
    ///
    /// # Panics
    ///
    /// As [`JoinHandle::join`].
    #[inline]
    #[track_caller]
    pub fn join(self) -> Result<T> {
        self.handle.join()
    }

    /// Waits for the end, for at most `timeout`; see [`JoinHandle::join_timeout`].
    ///
    /// # Errors
    ///
    /// Gives the handle back if the green thread has not ended by then.
    ///
    /// # Panics
    ///
    /// As [`JoinHandle::join`].
    #[track_caller]
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        self.handle
            .join_timeout(timeout)
            .map_err(|handle| ScopedJoinHandle { handle, scope: PhantomData })
    }

    /// Has the closure ended? Then `join` will not wait.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Has it unwound; see [`JoinHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// The green thread's handle.
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
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        Builder::new()
            .spawn_in(self, "leno::thread::Scope::spawn", f)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Builder {
    /// Spawns a green thread of a scope; see [`Scope::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Stack::new`](crate::stack::Stack::new).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> std::io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        self.spawn_in(scope, "leno::thread::Builder::spawn_scoped", f)
    }

    #[track_caller]
    fn spawn_in<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        function: &'static str,
        f: F,
    ) -> std::io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let Builder { name, stack_bytes } = self;
        scope.spawn_on(function, stack_bytes, name, f).map(ScopedJoinHandle::new)
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
