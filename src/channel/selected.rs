//! The operation that a select has selected, until it is completed.

use std::fmt;
use std::mem;

use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use super::pairs::Promise;
use super::readiness::{Choice, Operation};
use super::receiver::{Flavor, Receiver};
use super::sender::Sender;

/// An operation that can proceed, and that the caller has to complete, if it is a send or a receive.
///
/// # Panics
///
/// If a send or a receive is dropped before it was completed.
///
/// # Examples
///
/// ```
/// use leno::channel::{Select, unbounded};
///
/// let (sender, receiver) = unbounded();
/// let mut select = Select::new();
/// select.send(&sender);
/// select.select().send(&sender, "hello").unwrap();
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
#[must_use = "the operation has to be completed"]
pub struct SelectedOperation<'a> {
    pub(super) index: usize,
    pub(super) operation: Choice<'a>,
    /// The operation is completed with that of another select.
    pub(super) is_paired: bool,
}

impl<'a> SelectedOperation<'a> {
    /// Returns the number of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, _receiver) = unbounded();
    /// let mut select = Select::new();
    /// let number = select.send(&sender);
    /// let selected = select.select();
    /// assert_eq!(selected.index(), number);
    /// selected.send(&sender, 'a').unwrap();
    /// ```
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Sends a message to the selected channel.
    ///
    /// # Errors
    ///
    /// If all receivers have been dropped. The error gives the message back.
    ///
    /// # Panics
    ///
    /// If `sender` is not the one that was added to the select, or a clone of it.
    ///
    /// # Cancellation
    ///
    /// As [`Sender::send`], if it has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut select = Select::new();
    /// select.send(&sender);
    /// select.select().send(&sender, 'a').unwrap();
    /// assert_eq!(receiver.recv(), Ok('a'));
    /// ```
    #[track_caller]
    pub fn send<T>(self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        let message = match self.complete(sender) {
            None => message,
            Some(promise) => match sender.channel.send_to_partner(promise, message) {
                Ok(()) => return Ok(()),
                Err(message) => message,
            },
        };
        match sender.channel.complete().try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => sender.send(message),
        }
    }

    /// Receives a message from the selected channel.
    ///
    /// # Errors
    ///
    /// If all senders have been dropped, and the channel is empty.
    ///
    /// # Panics
    ///
    /// If `receiver` is not the one that was added to the select, or a clone of it.
    ///
    /// # Cancellation
    ///
    /// As [`Receiver::recv`], if it has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// sender.send('a').unwrap();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.select().recv(&receiver), Ok('a'));
    /// ```
    #[track_caller]
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        if let Some(promise) = self.complete(receiver)
            && let Flavor::Channel(channel) = &receiver.flavor
            && let Ok(message) = channel.recv_from_partner(promise)
        {
            return Ok(message);
        }
        match receiver.complete() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => receiver.recv(),
        }
    }

    /// Marks the operation as completed, with this handle of its channel. Returns the promise to
    /// another select, if there is one.
    #[track_caller]
    fn complete(self, handle: &dyn Operation) -> Option<Promise<'a>> {
        let need = self.operation.wait_for().need();
        let wanted = handle.wait_for().need();
        let is_selected = need.zip(wanted).is_some_and(|(need, wanted)| need.is_same(wanted));
        let index = self.index;
        let promise = self.promise();
        // The destructor would panic, since the operation was not completed.
        mem::forget(self);
        assert!(
            is_selected,
            "operation number {index} was selected, which is of another channel's end"
        );
        promise
    }

    /// Returns the promise to another select, if there is one.
    fn promise(&self) -> Option<Promise<'a>> {
        match self.operation {
            Choice::Channel(operation) if self.is_paired => Some(Promise(operation)),
            _ => None,
        }
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        drop(self.promise());
        // An event has nothing to complete.
        let is_open = matches!(self.operation, Choice::Channel(_));
        if is_open && !std::thread::panicking() {
            panic!(
                "the selected operation number {} was not completed: call send or recv of it",
                self.index
            );
        }
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}
