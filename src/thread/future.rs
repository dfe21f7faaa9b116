//! Join handles as futures, for [`block_on`](crate::block_on) or for a foreign executor on
//! the runtime's OS thread.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::join::{JoinHandle, Result, ScopedJoinHandle};

/// No field is pinned.
impl<T> Unpin for JoinHandle<T> {}

/// Completes with the result that [`join`](JoinHandle::join) returns. Dropping the handle,
/// awaited or not, detaches the green thread.
///
/// # Panics
///
/// If it is polled again after it has completed.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let handles = [1, 2].map(|n| leno::spawn(move || n * n));
///     let sum = leno::block_on(async {
///         let [one, four] = handles;
///         one.await.unwrap() + four.await.unwrap()
///     });
///     assert_eq!(sum, 5);
/// });
/// ```
impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.poll_end(context.waker())
    }
}

/// See the implementation for [`JoinHandle`].
impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.handle.poll_end(context.waker())
    }
}
