//! Join handles for other OS threads.

#![forbid(unsafe_code)]

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use super::future::block_on;
use crate::access::{Access, Object, also, note};
use crate::kernel::{Cancelled, Payload, for_join, is_unwound_by, try_scheduler};

/// A handle that waits on any OS thread for a green thread that was spawned by
/// [`Handle::spawn`](crate::Handle::spawn), and takes its result. Dropping it detaches the green
/// thread.
///
/// It is a future as well.
pub struct RemoteJoinHandle<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// The other side of a [`RemoteJoinHandle`]. If it is dropped, `join` returns [`Cancelled`].
pub(crate) struct Promise<T> {
    shared: Arc<Mutex<State<T>>>,
}

enum State<T> {
    Running(Option<Waker>),
    Ended(Result<T, Payload>),
    Taken,
}

pub(crate) fn promise<T>() -> (Promise<T>, RemoteJoinHandle<T>) {
    let shared = Arc::new(Mutex::new(State::Running(None)));
    (Promise { shared: shared.clone() }, RemoteJoinHandle { shared })
}

/// Locks the state, and reports the access. No code of the program runs under the lock, so it
/// cannot be poisoned.
fn lock<T>(shared: &Mutex<State<T>>, access: Access) -> MutexGuard<'_, State<T>> {
    also(Object::RemoteResults, access);
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Promise<T> {
    /// Runs the closure, on its green thread.
    pub(crate) fn keep(self, f: impl FnOnce() -> T) {
        match panic::catch_unwind(AssertUnwindSafe(f)) {
            // The cancellation unwinds the rest of the thread as well.
            Err(payload) if is_unwound_by(&payload) => panic::resume_unwind(payload),
            result => self.end(result.map_err(for_join)),
        }
    }

    /// Sets the result, if there is none yet.
    fn end(&self, result: Result<T, Payload>) {
        let mut state = lock(&self.shared, Access::Write);
        let State::Running(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Ended(result);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.end(Err(Box::new(Cancelled)));
    }
}

/// Wakes an OS thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> RemoteJoinHandle<T> {
    /// Waits until the green thread has ended, and returns what its closure returned. Inside a
    /// runtime, only the calling green thread waits; outside, the OS thread.
    ///
    /// # Errors
    ///
    /// The payload of the panic, if the closure panicked.
    /// [`Cancelled`](crate::thread::Cancelled), if it was cancelled, or if the
    /// runtime ended before the thread began.
    ///
    /// # Panics
    ///
    /// If the result has been awaited before.
    #[track_caller]
    pub fn join(mut self) -> Result<T, Box<dyn std::any::Any + Send>> {
        self.wait()
    }

    /// Waits as [`join`](RemoteJoinHandle::join). The handle is of no further use afterwards, but if the
    /// thread is unwound in the wait.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Result<T, Payload> {
        if try_scheduler().is_some() {
            return block_on("leno::RemoteJoinHandle::join", None, self);
        }
        let mut this = pin!(self);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match this.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// Returns `true` if the closure has ended: then `join` does not wait.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        note(Object::RemoteResults, Access::Read, "look at");
        !matches!(*lock(&self.shared, Access::Read), State::Running(_))
    }
}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, Payload>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned and dropped outside of the lock: wakers run code of the program.
        let mut waker = Some(context.waker().clone());
        let mut state = lock(&self.shared, Access::Write);
        if let State::Running(previous) = &mut *state {
            std::mem::swap(previous, &mut waker);
            drop(state);
            return Poll::Pending;
        }
        let taken = std::mem::replace(&mut *state, State::Taken);
        drop(state);
        match taken {
            State::Ended(result) => Poll::Ready(result),
            _ => panic!("a RemoteJoinHandle was polled after it had given its result"),
        }
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
