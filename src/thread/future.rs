//! Join handles as futures: awaited inside [`block_on`](crate::block_on), or by a
//! foreign executor on the runtime's OS thread.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::join::{JoinHandle, Result, ScopedJoinHandle};

/// Nothing in it is pinned.
impl<T> Unpin for JoinHandle<T> {}

/// Gives what [`join`](JoinHandle::join) would. Dropping the handle, awaited or
/// not, lets the green thread go on by itself.
///
/// # Panics
///
/// If it is polled again after it has given the result.
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
