//! Channels with the interface of [`std::sync::mpsc`]: many send, one receives.
//!
//! They are those of [`crate::channel`], which offers more.
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

use crate::channel;

/// Makes a channel that holds any number of messages.
#[must_use]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::unbounded();
    (Sender { sender }, Receiver { receiver })
}

/// Makes a channel that holds at most `bound` messages. With 0, whoever sends
/// waits until the message is received.
#[must_use]
#[track_caller]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(bound);
    (SyncSender { sender }, Receiver { receiver })
}

/// The end of a [`channel`](channel()) that sends.
pub struct Sender<T> {
    sender: channel::Sender<T>,
}

/// The end of a [`sync_channel`] that sends.
pub struct SyncSender<T> {
    sender: channel::Sender<T>,
}

/// The end of a channel that receives.
pub struct Receiver<T> {
    receiver: channel::Receiver<T>,
}

/// Messages, each waited for; see [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// The messages that are there; see [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// Messages, each waited for, of a receiver of its own.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Sender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    ///
    /// If the receiver is gone. Gives the message back.
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message).map_err(|error| SendError(error.0))
    }

    /// Names the channel, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.sender.set_name(name);
    }
}

impl<T> SyncSender<T> {
    /// Sends a message. Waits until there is room; in a channel that holds none,
    /// until it is received.
    ///
    /// # Errors
    ///
    /// If the receiver is gone. Gives the message back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message).map_err(|error| SendError(error.0))
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    ///
    /// If there is no room, or, in a channel that holds none, if nobody waits to
    /// receive; if the receiver is gone. Gives the message back.
    #[inline]
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(message).map_err(|error| match error {
            channel::TrySendError::Full(message) => TrySendError::Full(message),
            channel::TrySendError::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }

    /// Names the channel, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.sender.set_name(name);
    }
}

impl<T> Receiver<T> {
    /// Receives a message. Waits until there is one.
    ///
    /// # Errors
    ///
    /// If all senders are gone, and there are no more messages.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receiver.recv().map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receiver.try_recv().map_err(|error| match error {
            channel::TryRecvError::Empty => TryRecvError::Empty,
            channel::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message. Waits for one at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over; or if all senders are gone, and there are no more
    /// messages.
    ///
    /// # Panics
    ///
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout).map_err(|error| match error {
            channel::RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
            channel::RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// The messages, one after the other, until all senders are gone. Waits for
    /// each.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The messages that are there, without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// Names the channel, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.receiver.set_name(name);
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

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
