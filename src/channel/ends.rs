//! The two ends of a channel.

use crate::access::{Access, Object, note, operation};
use crate::cancel::interrupted;
use crate::kernel::{Need, Outcome, Resource, Wait, WaitFor, Want, scheduler, try_scheduler};
use crate::timer::{Instant, deadline_after, deadline_at};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::core::{Channel, Deadline};
use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::iter::{Iter, TryIter};
use super::timer::Timer;

/// Makes a channel that holds at most `capacity` messages. With 0 it holds none:
/// sender and receiver meet, and the message goes from one to the other.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = leno::channel::bounded(1);
/// sender.try_send(1).unwrap();
/// assert!(sender.try_send(2).unwrap_err().is_full());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    channel(Some(capacity))
}

/// Makes a channel that holds any number of messages.
#[must_use]
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(None)
}

#[track_caller]
fn channel<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel::new(capacity));
    (Sender { channel: channel.clone() }, Receiver { flavor: Flavor::Channel(channel) })
}

/// The end of a channel that sends.
pub struct Sender<T> {
    pub(super) channel: Rc<Channel<T>>,
}

/// The end of a channel that receives.
pub struct Receiver<T> {
    pub(super) flavor: Flavor<T>,
}

pub(super) enum Flavor<T> {
    Channel(Rc<Channel<T>>),
    Timer(Rc<Timer<T>>),
}

/// The deadline of a timed operation; outside a runtime nobody can wait.
fn after(duration: Duration) -> Deadline {
    try_scheduler().and_then(|scheduler| deadline_after(scheduler, duration))
}

fn at(moment: Instant) -> Deadline {
    try_scheduler().and_then(|scheduler| deadline_at(scheduler, moment.nanos()))
}

impl<T> Sender<T> {
    /// Sends a message. Waits while there is no room.
    ///
    /// # Errors
    ///
    /// If all receivers are gone. Gives the message back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.channel
            .send("Sender::send", message, || None)
            .map_err(|error| SendError(error.into_inner()))
    }

    /// Sends a message if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// If there is no room, or all receivers are gone. Gives the message back.
    #[inline]
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        note(self.channel.object(), Access::Write, "try send to");
        self.channel.try_send(message)
    }

    /// Sends a message. Waits for room at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over, or all receivers are gone. Gives the message back.
    ///
    /// # Panics
    ///
    /// As [`send`](Sender::send).
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
    /// As [`send`](Sender::send).
    #[track_caller]
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.channel.send("Sender::send_deadline", message, || at(deadline))
    }

    /// How many messages have been sent and not received.
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Is there no message?
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? Always so in a rendezvous channel.
    #[must_use]
    #[track_caller]
    pub fn is_full(&self) -> bool {
        self.channel.is_full()
    }

    /// How many messages it can hold; `None` for any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity()
    }

    /// Are these two ends of one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Rc::ptr_eq(&self.channel, &other.channel)
    }

    /// Names the channel, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.channel.resource.set_name(name.into());
    }
}

impl<T> Receiver<T> {
    pub(super) fn of(flavor: Flavor<T>) -> Receiver<T> {
        Receiver { flavor }
    }

    #[inline(always)]
    #[track_caller]
    fn receive(
        &self,
        function: &'static str,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<T, RecvTimeoutError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.recv(function, deadline),
            Flavor::Timer(timer) => timer.receive(function, deadline()),
        }
    }

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
        self.receive("Receiver::recv", || None).map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        note(Object::Resource(self.resource()), Access::Write, "try receive from");
        self.take()
    }

    /// Receives without waiting, as part of an operation that has begun.
    #[inline(always)]
    pub(super) fn take(&self) -> Result<T, TryRecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.try_recv(),
            Flavor::Timer(timer) => timer.try_recv(),
        }
    }

    /// Would receiving not have to wait? Tells nobody.
    pub(super) fn can_receive(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.can_receive(),
            Flavor::Timer(timer) => timer.is_due(),
        }
    }

    /// See [`Channel::disconnected`].
    pub(super) fn disconnected(&self) -> RecvError {
        if let Flavor::Channel(channel) = &self.flavor {
            channel.disconnected();
        }
        RecvError
    }

    #[inline(always)]
    pub(super) fn resource(&self) -> &Resource {
        match &self.flavor {
            Flavor::Channel(channel) => &channel.resource,
            Flavor::Timer(timer) => &timer.resource,
        }
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
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receive("Receiver::recv_deadline", || at(deadline))
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

    /// How many messages have been sent and not received.
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        match &self.flavor {
            Flavor::Channel(channel) => channel.len(),
            Flavor::Timer(timer) => usize::from(timer.look()),
        }
    }

    /// Is there no message?
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? Always so in a rendezvous channel.
    #[must_use]
    #[track_caller]
    pub fn is_full(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.is_full(),
            Flavor::Timer(timer) => timer.look(),
        }
    }

    /// How many messages it can hold; `None` for any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.capacity(),
            Flavor::Timer(_) => Some(1),
        }
    }

    /// Are these two ends of one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        match (&self.flavor, &other.flavor) {
            (Flavor::Channel(one), Flavor::Channel(other)) => Rc::ptr_eq(one, other),
            (Flavor::Timer(one), Flavor::Timer(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Names the channel, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource().set_name(name.into());
    }
}

impl<T> Timer<T> {
    #[track_caller]
    fn receive(&self, function: &'static str, deadline: Deadline) -> Result<T, RecvTimeoutError> {
        operation(self.object(), Access::Write, "receive from");
        loop {
            if let Ok(message) = self.try_recv() {
                return Ok(message);
            }
            let scheduler = scheduler(function);
            let own = self.deadline();
            // The earlier of the two, if both will come.
            let first = own.into_iter().chain(deadline).min();
            let need = Need { what: Want::Itself, resource: &self.resource };
            let wait = Wait::new(WaitFor::Resource(need));
            match scheduler.block(&wait, first) {
                Outcome::Interrupted => interrupted(),
                _ if first == deadline && first != own => return Err(RecvTimeoutError::Timeout),
                _ => {}
            }
            // Somebody else may have taken its message.
            note(self.object(), Access::Write, "receive from");
        }
    }
}

impl<T> Clone for Sender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.channel.add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Clone for Receiver<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Receiver {
            flavor: match &self.flavor {
                Flavor::Channel(channel) => {
                    channel.add_receiver();
                    Flavor::Channel(channel.clone())
                }
                Flavor::Timer(timer) => Flavor::Timer(timer.clone()),
            },
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.drop_sender();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Flavor::Channel(channel) = &self.flavor {
            channel.drop_receiver();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}
