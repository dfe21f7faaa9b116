//! Errors of channel operations. An error of a send gives the message back.

use std::error::Error;
use std::fmt;

/// The error of a send without receivers. Holds the message.
///
/// # Examples
///
/// ```
/// use leno::channel::{SendError, unbounded};
///
/// let (sender, receiver) = unbounded();
/// drop(receiver);
/// assert_eq!(sender.send('a'), Err(SendError('a')));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// The reason why a message could not be sent at once. Holds the message.
///
/// # Examples
///
/// ```
/// use leno::channel::{TrySendError, bounded};
///
/// let (sender, _receiver) = bounded(0);
/// assert_eq!(sender.try_send('a'), Err(TrySendError::Full('a')));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The channel has no room. In a channel of capacity 0, no thread waits to receive.
    Full(T),
    /// All receivers have been dropped.
    Disconnected(T),
}

/// The reason why a message could not be sent in time. Holds the message.
///
/// # Examples
///
/// See [`Sender::send_timeout`](super::Sender::send_timeout).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The timeout has elapsed.
    Timeout(T),
    /// All receivers have been dropped.
    Disconnected(T),
}

/// The error of a receive from an empty channel without senders.
///
/// # Examples
///
/// ```
/// use leno::channel::{RecvError, unbounded};
///
/// let (sender, receiver) = unbounded::<u8>();
/// drop(sender);
/// assert_eq!(receiver.recv(), Err(RecvError));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// The reason why no message could be received at once.
///
/// # Examples
///
/// ```
/// use leno::channel::{TryRecvError, unbounded};
///
/// let (sender, receiver) = unbounded::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The channel is empty.
    Empty,
    /// All senders have been dropped, and the channel is empty.
    Disconnected,
}

/// The reason why no message could be received in time.
///
/// # Examples
///
/// See [`Receiver::recv_timeout`](super::Receiver::recv_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The timeout has elapsed.
    Timeout,
    /// All senders have been dropped, and the channel is empty.
    Disconnected,
}

/// The error of a [`Select`](super::Select) of which no operation can proceed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrySelectError;

/// The error of a [`Select`](super::Select) of which no operation could proceed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectTimeoutError;

/// The error of a [`Select`](super::Select) of which no operation is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryReadyError;

/// The error of a [`Select`](super::Select) of which no operation became ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyTimeoutError;

impl<T> SendError<T> {
    /// Returns the message.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::channel::SendError('a').into_inner(), 'a');
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// Returns the message.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::channel::TrySendError::Full('a').into_inner(), 'a');
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        let (TrySendError::Full(value) | TrySendError::Disconnected(value)) = self;
        value
    }

    /// Returns `true` if the channel had no room.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::TrySendError::Full('a').is_full());
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, TrySendError::Full(_))
    }

    /// Returns `true` if all receivers have been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::TrySendError::Disconnected('a').is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, TrySendError::Disconnected(_))
    }
}

impl<T> SendTimeoutError<T> {
    /// Returns the message.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::channel::SendTimeoutError::Timeout('a').into_inner(), 'a');
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        let (SendTimeoutError::Timeout(value) | SendTimeoutError::Disconnected(value)) = self;
        value
    }

    /// Returns `true` if the timeout has elapsed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::SendTimeoutError::Timeout('a').is_timeout());
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, SendTimeoutError::Timeout(_))
    }

    /// Returns `true` if all receivers have been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::SendTimeoutError::Disconnected('a').is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, SendTimeoutError::Disconnected(_))
    }
}

impl TryRecvError {
    /// Returns `true` if the channel is empty, and senders exist.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::TryRecvError::Empty.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == TryRecvError::Empty
    }

    /// Returns `true` if all senders have been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::TryRecvError::Disconnected.is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        *self == TryRecvError::Disconnected
    }
}

impl RecvTimeoutError {
    /// Returns `true` if the timeout has elapsed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::RecvTimeoutError::Timeout.is_timeout());
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        *self == RecvTimeoutError::Timeout
    }

    /// Returns `true` if all senders have been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::channel::RecvTimeoutError::Disconnected.is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        *self == RecvTimeoutError::Disconnected
    }
}

const NO_RECEIVER: &str = "sending on a channel without receivers";
const NO_SENDER: &str = "receiving on an empty channel without senders";

// The message need not implement `Debug`.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "Full(..)",
            TrySendError::Disconnected(_) => "Disconnected(..)",
        })
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendTimeoutError::Timeout(_) => "Timeout(..)",
            SendTimeoutError::Disconnected(_) => "Disconnected(..)",
        })
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_RECEIVER)
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "sending on a full channel",
            TrySendError::Disconnected(_) => NO_RECEIVER,
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendTimeoutError::Timeout(_) => "timed out waiting to send",
            SendTimeoutError::Disconnected(_) => NO_RECEIVER,
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_SENDER)
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty => "receiving on an empty channel",
            TryRecvError::Disconnected => NO_SENDER,
        })
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvTimeoutError::Timeout => "timed out waiting to receive",
            RecvTimeoutError::Disconnected => NO_SENDER,
        })
    }
}

impl fmt::Display for TrySelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every operation of the select would have to wait")
    }
}

impl fmt::Display for SelectTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out waiting for an operation to select")
    }
}

impl fmt::Display for TryReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no operation of the select is ready")
    }
}

impl fmt::Display for ReadyTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out waiting for an operation to be ready")
    }
}

impl<T> Error for SendError<T> {}
impl<T> Error for TrySendError<T> {}
impl<T> Error for SendTimeoutError<T> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for RecvTimeoutError {}
impl Error for TrySelectError {}
impl Error for SelectTimeoutError {}
impl Error for TryReadyError {}
impl Error for ReadyTimeoutError {}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(error: SendError<T>) -> Self {
        TrySendError::Disconnected(error.0)
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(error: SendError<T>) -> Self {
        SendTimeoutError::Disconnected(error.0)
    }
}

impl From<RecvError> for TryRecvError {
    fn from(_: RecvError) -> Self {
        TryRecvError::Disconnected
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(_: RecvError) -> Self {
        RecvTimeoutError::Disconnected
    }
}
