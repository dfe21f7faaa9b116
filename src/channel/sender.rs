//! The sending half of a channel.

use crate::timer::{Instant, deadline_after, deadline_at};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::deadline::Moment;
use super::error::{SendError, SendTimeoutError, TrySendError};
use super::readiness::{Operation, Watcher, Watching};
use super::state::Channel;
use crate::access::Part;
use crate::kernel::{Scheduler, WaitFor, WaitQueue, try_scheduler};

/// The sending half of a channel. Cloning it makes another sender of the same channel.
///
/// # Examples
///
/// ```
/// use leno::channel;
///
/// let (sender, receiver) = channel::unbounded();
/// let other = sender.clone();
/// sender.send(1).unwrap();
/// other.send(2).unwrap();
/// drop((sender, other));
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
/// ```
pub struct Sender<T> {
    pub(super) channel: Rc<Channel<T>>,
}

/// Returns the deadline of an operation that waits at most `duration`. Outside a runtime no
/// operation can wait.
pub(super) fn after(duration: Duration) -> Moment {
    try_scheduler().and_then(|scheduler| deadline_after(scheduler, duration))
}

/// Returns the deadline of an operation that waits until `moment`.
pub(super) fn at(moment: Instant) -> Moment {
    try_scheduler().and_then(|scheduler| deadline_at(scheduler, moment.nanos()))
}

impl<T> Sender<T> {
    /// Sends a message. Waits while the channel has no room.
    ///
    /// The message goes directly to the first thread that waits to receive, or else into
    /// the buffer. Without a wait this takes constant time and does not switch.
    ///
    /// # Errors
    ///
    /// If all receivers have been dropped. The error gives the message back.
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
    /// ```
    /// use leno::channel;
    ///
    /// leno::run(|| {
    ///     let (sender, receiver) = channel::bounded(0);
    ///     leno::spawn(move || assert_eq!(receiver.recv(), Ok("hello")));
    ///     sender.send("hello").unwrap();
    ///     assert!(sender.send("nothing receives this").is_err());
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.channel
            .send("Sender::send", message, || None)
            .map_err(|error| SendError(error.into_inner()))
    }

    /// Sends a message if that is possible without waiting.
    ///
    /// A [`Select`](super::Select) that waits to receive is given the message, and completes its
    /// operation later.
    ///
    /// # Errors
    ///
    /// If the channel has no room, or all receivers have been dropped. The error gives the
    /// message back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::channel::bounded(1);
    /// assert!(sender.try_send(1).is_ok());
    /// assert!(sender.try_send(2).unwrap_err().is_full());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(message)
    }

    /// Sends a message. Waits for room for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed, or all receivers have been dropped. The error gives the
    /// message back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (sender, _receiver) = channel::bounded(0);
    ///     let error = sender.send_timeout(7, Duration::from_millis(1)).unwrap_err();
    ///     assert!(error.is_timeout());
    ///     assert_eq!(error.into_inner(), 7);
    /// });
    /// ```
    #[track_caller]
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.channel.send("Sender::send_timeout", message, || after(timeout))
    }

    /// Sends a message. Waits for room until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Sender::send_timeout).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel;
    /// use leno::time::Instant;
    ///
    /// leno::run(|| {
    ///     let (sender, _receiver) = channel::bounded(0);
    ///     assert!(sender.send_deadline(7, Instant::now()).unwrap_err().is_timeout());
    /// });
    /// ```
    #[track_caller]
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.channel.send("Sender::send_deadline", message, || at(deadline))
    }

    /// Returns the number of messages that have been sent and not received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::channel::unbounded();
    /// sender.send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Returns `true` if the channel holds no message.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::channel::unbounded::<char>();
    /// assert!(sender.is_empty());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if the channel is full. A channel of capacity 0 is always full.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::channel::bounded(1);
    /// assert!(!sender.is_full());
    /// sender.send('a').unwrap();
    /// assert!(sender.is_full());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_full(&self) -> bool {
        self.channel.is_full()
    }

    /// Returns the number of messages that the channel can hold, `None` if there is no
    /// limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{bounded, unbounded};
    ///
    /// assert_eq!(bounded::<char>(3).0.capacity(), Some(3));
    /// assert_eq!(unbounded::<char>().0.capacity(), None);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity()
    }

    /// Returns `true` if both are senders of the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::unbounded;
    ///
    /// let (sender, _receiver) = unbounded::<char>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// assert!(!sender.same_channel(&unbounded().0));
    /// ```
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Rc::ptr_eq(&self.channel, &other.channel)
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = leno::channel::unbounded::<char>();
    /// sender.set_name("letters");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.channel.set_name(name.into());
    }
}

impl<T> Operation for Sender<T> {
    fn is_ready(&self, begun: Part<'_>) -> bool {
        self.channel.within(begun).can_send()
    }

    fn partners(&self, begun: Part<'_>) -> Option<&WaitQueue<Watcher>> {
        Some(self.channel.message_watchers(begun))
    }

    fn watching(&self, _scheduler: &Scheduler, begun: Part<'_>) -> Watching<'_> {
        Watching::Channel(self.channel.watch_room(begun))
    }

    fn break_promise(&self) {
        self.channel.broken().pairs.break_send();
    }

    fn wait_for(&self) -> WaitFor<'_> {
        WaitFor::Resource(self.channel.room())
    }
}

impl<T> Clone for Sender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.channel.add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.drop_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}
