//! The sending half of a channel between runtimes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::channel::{Channel, begin};
use super::queue::Unsent;
use crate::channel::{Deadline, SendError, SendTimeoutError, TrySendError};
use crate::timer::Instant;

/// The sending half of a channel between runtimes, for any OS thread. Cloning it makes another sender of
/// the same channel.
///
/// # Examples
///
/// See [`bounded`](super::bounded).
pub struct Sender<T> {
    pub(super) channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a message. Waits while the channel has no room: inside a runtime, only the calling green
    /// thread; outside, the OS thread.
    ///
    /// # Errors
    ///
    /// If all receivers have been dropped. The error gives the message back.
    ///
    /// # Panics
    ///
    /// In an exploration. If it has to wait, and the system has no more descriptors.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, the message has not been sent, and is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::shards::bounded(1);
    /// sender.send(1).unwrap();
    /// drop(receiver);
    /// assert!(sender.send(2).is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        let sent = self.channel.send("shards::Sender::send", message, Deadline::Never);
        sent.map_err(|error| SendError(error.into_inner()))
    }

    /// Sends a message if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// If the channel has no room, or all receivers have been dropped. The error gives the message back.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::shards::bounded(1);
    /// assert!(sender.try_send(1).is_ok());
    /// assert!(sender.try_send(2).unwrap_err().is_full());
    /// ```
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        begin("shards::Sender::try_send");
        self.channel.queue.send(message, &mut None, || None).map_err(|unsent| match unsent {
            Unsent::Full(message) => TrySendError::Full(message),
            Unsent::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }

    /// Sends a message as [`send`](Sender::send), and waits for room for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed, or all receivers have been dropped. The error gives the message back.
    ///
    /// # Panics
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Cancellation
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Duration;
    ///
    /// let (sender, _receiver) = leno::shards::bounded(1);
    /// sender.send(1).unwrap();
    /// let error = sender.send_timeout(2, Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_timeout());
    /// ```
    #[track_caller]
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.channel.send("shards::Sender::send_timeout", message, Deadline::After(timeout))
    }

    /// Sends a message as [`send_timeout`](Sender::send_timeout), and waits for room until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Sender::send_timeout).
    ///
    /// # Panics
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Cancellation
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Instant;
    ///
    /// let (sender, _receiver) = leno::shards::bounded(1);
    /// assert!(sender.send_deadline(1, Instant::now()).is_ok());
    /// ```
    #[track_caller]
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.channel.send("shards::Sender::send_deadline", message, Deadline::At(deadline))
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::shards::unbounded::<u8>();
    /// sender.set_name("orders");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.channel.set_name(name.into());
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.channel.queue.add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.queue.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
