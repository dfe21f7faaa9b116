//! The receiving half of a channel between runtimes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::channel::{Channel, begin};
use super::queue::Unreceived;
use crate::channel::{Deadline, RecvError, RecvTimeoutError, TryRecvError, message_iterators};
use crate::timer::Instant;

/// The receiving half of a channel between runtimes, for any OS thread. Cloning it makes another receiver
/// of the same channel: each message goes to one of them.
///
/// # Examples
///
/// See [`bounded`](super::bounded).
pub struct Receiver<T> {
    pub(super) channel: Arc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives a message, in the order in which they were sent. Waits while there is none: inside a
    /// runtime, only the calling green thread; outside, the OS thread.
    ///
    /// # Errors
    ///
    /// If the channel is empty, and all senders have been dropped.
    ///
    /// # Panics
    ///
    /// In an exploration. If it has to wait, and the system has no more descriptors.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, no message has been taken.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::shards::bounded(1);
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.recv(), Ok(1));
    /// assert!(receiver.recv().is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.channel.recv("shards::Receiver::recv", Deadline::Never).map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// If the channel is empty.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = leno::shards::bounded::<u8>(1);
    /// assert!(receiver.try_recv().unwrap_err().is_empty());
    /// ```
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        begin("shards::Receiver::try_recv");
        self.channel.queue.recv(&mut None, || None).map_err(|unreceived| match unreceived {
            Unreceived::Empty => TryRecvError::Empty,
            Unreceived::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message as [`recv`](Receiver::recv), and waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed; as [`recv`](Receiver::recv).
    ///
    /// # Panics
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Duration;
    ///
    /// let (_sender, receiver) = leno::shards::bounded::<u8>(1);
    /// assert!(receiver.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.channel.recv("shards::Receiver::recv_timeout", Deadline::After(timeout))
    }

    /// Receives a message as [`recv`](Receiver::recv), and waits until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Receiver::recv_timeout).
    ///
    /// # Panics
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::time::Instant;
    ///
    /// let (_sender, receiver) = leno::shards::bounded::<u8>(1);
    /// assert!(receiver.recv_deadline(Instant::now()).unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.channel.recv("shards::Receiver::recv_deadline", Deadline::At(deadline))
    }

    /// Returns the number of messages in the channel.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::shards::unbounded();
    /// sender.send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        begin("shards::Receiver::len");
        self.channel.queue.len()
    }

    /// Returns `true` if there is no message in the channel.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::shards::unbounded::<u8>().1.is_empty());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

message_iterators!("leno::shards::unbounded");

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.channel.queue.add_receiver();
        Receiver { channel: self.channel.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.queue.remove_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
