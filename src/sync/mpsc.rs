//! Channels with the interface of [`std::sync::mpsc`]: many senders, one receiver.
//!
//! They are built on [`crate::channel`], which offers more.
//!
//! # Examples
//!
//! ```
//! use leno::sync::mpsc;
//!
//! leno::run(|| {
//!     let (sender, receiver) = mpsc::channel();
//!     for n in 1..=3 {
//!         let sender = sender.clone();
//!         leno::spawn(move || sender.send(n).unwrap());
//!     }
//!     drop(sender);
//!     assert_eq!(receiver.iter().sum::<i32>(), 6);
//! });
//! ```

use std::fmt;
use std::time::Duration;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use crate::channel::{self, message_iterators};

/// Creates a channel that holds any number of messages.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = leno::sync::mpsc::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::unbounded();
    (Sender { sender }, Receiver { receiver })
}

/// Creates a channel that holds at most `bound` messages. With 0, a sender waits until the
/// message is received.
///
/// # Examples
///
/// ```
/// let (sender, _receiver) = leno::sync::mpsc::sync_channel(1);
/// sender.send(1).unwrap();
/// assert!(sender.try_send(2).is_err());
/// ```
#[must_use]
#[track_caller]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(bound);
    (SyncSender { sender }, Receiver { receiver })
}

/// The sending half of a [`channel`](channel()).
///
/// # Examples
///
/// See [`channel`](channel()).
pub struct Sender<T> {
    sender: channel::Sender<T>,
}

/// The sending half of a [`sync_channel`].
///
/// # Examples
///
/// See [`sync_channel`].
pub struct SyncSender<T> {
    sender: channel::Sender<T>,
}

/// The receiving half of a channel.
///
/// # Examples
///
/// See [`channel`](channel()).
pub struct Receiver<T> {
    receiver: channel::Receiver<T>,
}

impl<T> Sender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    ///
    /// If the receiver has been dropped. The error gives the message back.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// See [`channel`](channel()).
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message).map_err(|error| SendError(error.0))
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::sync::mpsc::channel::<u8>();
    /// sender.set_name("bytes");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.sender.set_name(name);
    }
}

impl<T> SyncSender<T> {
    /// Sends a message. Waits until there is room; in a channel of bound 0, until the message
    /// is received.
    ///
    /// # Errors
    ///
    /// If the receiver has been dropped. The error gives the message back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, the message has not been sent,
    /// and is dropped.
    ///
    /// # Examples
    ///
    /// See [`sync_channel`].
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message).map_err(|error| SendError(error.0))
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    ///
    /// If there is no room, or, in a channel of bound 0, if the receiver does not wait; if the
    /// receiver has been dropped. The error gives the message back.
    ///
    /// # Examples
    ///
    /// See [`sync_channel`].
    #[inline]
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(message).map_err(|error| match error {
            channel::TrySendError::Full(message) => TrySendError::Full(message),
            channel::TrySendError::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::sync::mpsc::channel::<u8>();
    /// sender.set_name("bytes");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.sender.set_name(name);
    }
}

impl<T> Receiver<T> {
    /// Receives a message. Waits until there is one.
    ///
    /// # Errors
    ///
    /// If all senders have been dropped, and the channel is empty.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, no message has been received.
    ///
    /// # Examples
    ///
    /// See [`channel`](channel()).
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receiver.recv().map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// If the channel is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::sync::mpsc::channel();
    /// assert!(receiver.try_recv().is_err());
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receiver.try_recv().map_err(|error| match error {
            channel::TryRecvError::Empty => TryRecvError::Empty,
            channel::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message. Waits for one for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed; or if all senders have been dropped, and the channel is
    /// empty.
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
    /// use leno::sync::mpsc;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = mpsc::channel::<u8>();
    ///     assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout).map_err(|error| match error {
            channel::RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
            channel::RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::sync::mpsc::channel::<u8>();
    /// sender.set_name("bytes");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.receiver.set_name(name);
    }
}

message_iterators!("leno::sync::mpsc::channel");

impl<T> Clone for Sender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Sender { sender: self.sender.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        SyncSender { sender: self.sender.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
