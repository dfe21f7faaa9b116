//! The receiving half of a channel.

use crate::timer::Instant;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::deadline::Moment;
use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::iter::message_iterators;
use super::pairs::Promise;
use super::readiness::{Operation, Watcher, Watching};
use super::sender::{after, at};
use super::state::Channel;
use super::timer::Timer;
use crate::access::Part;
use crate::kernel::{Scheduler, WaitFor, WaitQueue};

/// The receiving half of a channel. Cloning it makes another receiver of the same channel;
/// each message goes to one of them.
///
/// # Examples
///
/// ```
/// use leno::channel;
///
/// let (sender, receiver) = channel::unbounded();
/// let other = receiver.clone();
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// assert_eq!((receiver.recv(), other.recv()), (Ok(1), Ok(2)));
/// ```
pub struct Receiver<T> {
    pub(super) flavor: Flavor<T>,
}

/// The source of the messages.
pub(super) enum Flavor<T> {
    Channel(Rc<Channel<T>>),
    Timer(Rc<Timer<T>>),
}

impl<T> Receiver<T> {
    /// Receives with a deadline. `function` is the public function that needs a runtime if
    /// it waits.
    #[inline(always)]
    #[track_caller]
    fn receive(
        &self,
        function: &'static str,
        deadline: impl FnOnce() -> Moment,
    ) -> Result<T, RecvTimeoutError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.recv(function, deadline),
            Flavor::Timer(timer) => timer.recv(function, deadline()),
        }
    }

    /// Receives a message. Waits until there is one.
    ///
    /// Without a wait this takes constant time and does not switch. A thread that waits is
    /// given the message before it runs again, so that no other receiver can take it.
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
    /// A cancellation point. If the thread is unwound here, no message has been received. A
    /// message that was handed over before the cancellation is received.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel;
    ///
    /// leno::run(|| {
    ///     let (sender, receiver) = channel::bounded(1);
    ///     leno::spawn(move || sender.send("hello").unwrap());
    ///     assert_eq!(receiver.recv(), Ok("hello"));
    ///     assert!(receiver.recv().is_err());
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receive("Receiver::recv", || None).map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// A [`Select`](super::Select) that waits to send on a channel without a buffer has a message
    /// only when its thread completes the operation. `try_recv` selects the operation and waits for
    /// that, as in crossbeam; outside a runtime it does not.
    ///
    /// # Errors
    ///
    /// If the channel is empty.
    ///
    /// # Cancellation
    ///
    /// A cancellation point only while it waits for a `Select`. If the thread is unwound here, no
    /// message has been received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::channel::unbounded();
    /// assert!(receiver.try_recv().unwrap_err().is_empty());
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.try_recv(self),
            Flavor::Timer(timer) => timer.try_recv(),
        }
    }

    /// Receives without waiting, as part of a select.
    pub(super) fn try_recv_within(&self, begun: Part<'_>) -> Result<T, TryRecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.within(begun).try_recv(),
            Flavor::Timer(timer) => timer.within(begun).try_recv(),
        }
    }

    /// Finds a `Select` that waits to send and pairs with it, as part of a select.
    pub(super) fn meets_sender(&self, begun: Part<'_>) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.within(begun).meets_sender(),
            Flavor::Timer(_) => false,
        }
    }

    /// Receives from the `Select` that has paired with this end.
    #[track_caller]
    pub(super) fn recv_from_partner(&self) -> Result<T, RecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.recv_from_partner(Promise(self)),
            Flavor::Timer(_) => Err(RecvError),
        }
    }

    /// Receives without waiting, to complete an operation that a `Select` has selected.
    pub(super) fn complete(&self) -> Result<T, TryRecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.complete().try_recv(),
            Flavor::Timer(timer) => timer.complete().try_recv(),
        }
    }

    /// Returns the error of a select that was woken without a message; see
    /// [`Channel::disconnected`].
    pub(super) fn disconnected(&self) -> RecvError {
        if let Flavor::Channel(channel) = &self.flavor {
            channel.disconnected();
        }
        RecvError
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
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = channel::unbounded::<char>();
    ///     let error = receiver.recv_timeout(Duration::from_millis(1)).unwrap_err();
    ///     assert!(error.is_timeout());
    /// });
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receive("Receiver::recv_timeout", || after(timeout))
    }

    /// Receives a message. Waits for one until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Receiver::recv_timeout).
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel;
    /// use leno::time::Instant;
    ///
    /// leno::run(|| {
    ///     let (sender, receiver) = channel::unbounded();
    ///     assert!(receiver.recv_deadline(Instant::now()).unwrap_err().is_timeout());
    ///     sender.send(1).unwrap();
    ///     assert_eq!(receiver.recv_deadline(Instant::now()), Ok(1));
    /// });
    /// ```
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receive("Receiver::recv_deadline", || at(deadline))
    }

    /// Returns the number of messages that have been sent and not received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = leno::channel::unbounded();
    /// sender.send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        match &self.flavor {
            Flavor::Channel(channel) => channel.len(),
            Flavor::Timer(timer) => usize::from(timer.is_due()),
        }
    }

    /// Returns `true` if the channel holds no message.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = leno::channel::unbounded::<char>();
    /// assert!(receiver.is_empty());
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
    /// let (_sender, receiver) = leno::channel::bounded::<char>(0);
    /// assert!(receiver.is_full());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_full(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.is_full(),
            Flavor::Timer(timer) => timer.is_never() || timer.is_due(),
        }
    }

    /// Returns the number of messages that the channel can hold, `None` if there is no
    /// limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{bounded, never};
    ///
    /// assert_eq!(bounded::<char>(3).1.capacity(), Some(3));
    /// assert_eq!(never::<char>().capacity(), Some(0));
    /// ```
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.capacity(),
            Flavor::Timer(timer) => Some(usize::from(!timer.is_never())),
        }
    }

    /// Returns `true` if both are receivers of the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::unbounded;
    ///
    /// let (_sender, receiver) = unbounded::<char>();
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// assert!(!receiver.same_channel(&unbounded().1));
    /// ```
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        match (&self.flavor, &other.flavor) {
            (Flavor::Channel(one), Flavor::Channel(other)) => Rc::ptr_eq(one, other),
            (Flavor::Timer(one), Flavor::Timer(other)) => {
                Rc::ptr_eq(one, other) || one.is_never() && other.is_never()
            }
            _ => false,
        }
    }

    /// Names the channel for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = leno::channel::unbounded::<char>();
    /// receiver.set_name("letters");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        match &self.flavor {
            Flavor::Channel(channel) => channel.set_name(name.into()),
            Flavor::Timer(timer) => timer.set_name(name.into()),
        }
    }
}

impl<T> Operation for Receiver<T> {
    fn is_ready(&self, begun: Part<'_>) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.within(begun).can_receive(),
            Flavor::Timer(timer) => timer.within(begun).is_due(),
        }
    }

    fn partners(&self, begun: Part<'_>) -> Option<&WaitQueue<Watcher>> {
        match &self.flavor {
            Flavor::Channel(channel) => Some(channel.room_watchers(begun)),
            Flavor::Timer(_) => None,
        }
    }

    fn watching(&self, _scheduler: &Scheduler, begun: Part<'_>) -> Watching<'_> {
        match &self.flavor {
            Flavor::Channel(channel) => Watching::Channel(channel.watch_messages(begun)),
            Flavor::Timer(timer) => Watching::Timer(timer.within(begun).next()),
        }
    }

    fn break_promise(&self) {
        // A timer pairs with no select.
        if let Flavor::Channel(channel) = &self.flavor {
            let lost = channel.broken().pairs.break_receive();
            // Its destructor may use the channel.
            drop(lost);
        }
    }

    fn wait_for(&self) -> WaitFor<'_> {
        WaitFor::Resource(match &self.flavor {
            Flavor::Channel(channel) => channel.message(),
            Flavor::Timer(timer) => timer.need(),
        })
    }
}

message_iterators!("leno::channel::unbounded");

impl<T> Clone for Receiver<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        let flavor = match &self.flavor {
            Flavor::Channel(channel) => {
                channel.add_receiver();
                Flavor::Channel(channel.clone())
            }
            Flavor::Timer(timer) => Flavor::Timer(timer.clone()),
        };
        Receiver { flavor }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Flavor::Channel(channel) = &self.flavor {
            channel.drop_receiver();
        }
    }
}

// The messages need not implement `Debug`.
impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}
