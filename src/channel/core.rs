//! What the two ends of a channel share.

use std::cell::Cell;

use super::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use super::ring::Ring;
use super::watching::Watcher;
use crate::access::{Access, Object, also, note, note_at, operation};
use crate::cancel::interrupted;
use crate::kernel::{Need, Outcome, Resource, Wait, WaitFor, WaitQueue, Want, scheduler};

pub(super) struct Channel<T> {
    /// The messages that were sent while no thread waited to receive.
    buffer: Ring<T>,
    /// The number of messages that the buffer may hold: 0 for a rendezvous, the largest
    /// number for a channel without a limit.
    limit: usize,
    is_bounded: bool,
    /// The threads that wait to send. Each has its message in its node.
    pub(super) sending: WaitQueue<T>,
    pub(super) receiving: WaitQueue<T>,
    /// The selects that watch until a message could be sent, or received.
    pub(super) watching_room: WaitQueue<Watcher>,
    pub(super) watching_messages: WaitQueue<Watcher>,
    /// A receiver, if the buffer holds nothing, or else room.
    wanted_to_send: Want,
    pub(super) senders: Cell<usize>,
    pub(super) receivers: Cell<usize>,
    pub(super) resource: Resource,
}

/// How a wait is begun and for how long: `None` for one without a deadline.
pub(super) type Deadline = Option<u64>;

impl<T> Channel<T> {
    #[track_caller]
    pub(super) fn new(capacity: Option<usize>) -> Channel<T> {
        Channel {
            buffer: Ring::new(),
            limit: capacity.unwrap_or(usize::MAX),
            is_bounded: capacity.is_some(),
            sending: WaitQueue::new(),
            receiving: WaitQueue::new(),
            watching_room: WaitQueue::new(),
            watching_messages: WaitQueue::new(),
            wanted_to_send: if capacity == Some(0) { Want::Receiver } else { Want::Room },
            senders: Cell::new(1),
            receivers: Cell::new(1),
            resource: Resource::known("channel"),
        }
    }

    pub(super) fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    #[track_caller]
    pub(super) fn len(&self) -> usize {
        note(self.object(), Access::Read, "look at");
        self.buffer.len()
    }

    /// Returns the number of messages that it can hold, `None` for any number.
    pub(super) fn capacity(&self) -> Option<usize> {
        self.is_bounded.then_some(self.limit)
    }

    #[inline(always)]
    fn has_room(&self, length: usize) -> bool {
        length < self.limit
    }

    #[track_caller]
    pub(super) fn is_full(&self) -> bool {
        !self.has_room(self.len())
    }

    /// Returns `true` if sending would not wait. Reports no operation.
    pub(super) fn can_send(&self) -> bool {
        let is_awaited = || !self.receiving.is_empty();
        self.receivers.get() == 0 || is_awaited() || self.has_room(self.buffer.len())
    }

    /// Returns `true` if receiving would not wait. Reports no operation.
    pub(super) fn can_receive(&self) -> bool {
        let is_offered = || !self.sending.is_empty();
        self.senders.get() == 0 || is_offered() || !self.buffer.is_empty()
    }

    /// Sends without waiting, as part of an operation that has begun.
    #[inline(always)]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let Err(value) = self.buffer.put_at_once(value) else { return Ok(()) };
        // Without receivers no thread waits for a message.
        let Err(value) = self.receiving.give(value) else { return Ok(()) };
        if self.receivers.get() == 0 {
            return Err(TrySendError::Disconnected(value));
        }
        if !self.has_room(self.buffer.len()) {
            return Err(TrySendError::Full(value));
        }
        self.send_to_buffer(value);
        Ok(())
    }

    /// Puts a message into the buffer, which has room. A receiver exists, and no thread
    /// waits to receive.
    #[inline(never)]
    fn send_to_buffer(&self, value: T) {
        self.buffer.push(value);
        wake_all(&self.watching_messages);
        self.buffer.open_put(self.limit);
    }

    /// Receives without waiting, as part of an operation that has begun.
    #[inline(always)]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        if let Some(value) = self.buffer.take_at_once() {
            return Ok(value);
        }
        // What is in the buffer is older than what a thread that waits to send has.
        if !self.buffer.is_empty() {
            if let Some(value) = self.recv_from_buffer() {
                return Ok(value);
            }
        } else if let Some(value) = self.sending.take() {
            return Ok(value);
        }
        Err(if self.senders.get() == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    /// Takes a message out of the buffer, and lets the first thread that waits to send
    /// put its message there.
    #[inline(never)]
    fn recv_from_buffer(&self) -> Option<T> {
        let value = self.buffer.pop()?;
        match self.sending.take() {
            Some(next) => self.buffer.push(next),
            None => {
                wake_all(&self.watching_room);
                self.buffer.open_take();
            }
        }
        Some(value)
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn send(
        &self,
        function: &'static str,
        value: T,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), SendTimeoutError<T>> {
        operation(self.object(), Access::Write, "send to");
        match self.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(TrySendError::Full(value)) => self.wait_to_send(function, value, deadline()),
        }
    }

    #[inline(always)]
    #[track_caller]
    fn wait_to_send(
        &self,
        function: &'static str,
        value: T,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError<T>> {
        self.is_about_to_send();
        let scheduler = scheduler(function);
        let wait = Wait::new(WaitFor::Resource(self.room()));
        let (outcome, left) = self.sending.wait(scheduler, Some(value), &wait, deadline);
        // Taking the value ends the wait, so without one only a receiver has.
        let Some(value) = left else { return Ok(()) };
        match outcome {
            Outcome::Woken => Err(SendTimeoutError::Disconnected(value)),
            Outcome::Elapsed => Err(SendTimeoutError::Timeout(value)),
            Outcome::Interrupted => {
                drop(value);
                interrupted()
            }
        }
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn recv(
        &self,
        function: &'static str,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<T, RecvTimeoutError> {
        operation(self.object(), Access::Write, "receive from");
        match self.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => self.wait_to_receive(function, deadline()),
        }
    }

    #[inline(always)]
    #[track_caller]
    fn wait_to_receive(
        &self,
        function: &'static str,
        deadline: Deadline,
    ) -> Result<T, RecvTimeoutError> {
        self.is_about_to_receive();
        let scheduler = scheduler(function);
        let wait = Wait::new(WaitFor::Resource(self.message()));
        match self.receiving.wait(scheduler, None, &wait, deadline) {
            (_, Some(value)) => Ok(value),
            (Outcome::Woken, None) => {
                self.disconnected();
                Err(RecvTimeoutError::Disconnected)
            }
            (Outcome::Elapsed, None) => Err(RecvTimeoutError::Timeout),
            (Outcome::Interrupted, None) => interrupted(),
        }
    }

    /// To be called when the current thread begins to wait with a message.
    #[inline(always)]
    pub(super) fn is_about_to_send(&self) {
        self.buffer.close_take();
        wake_all(&self.watching_messages);
    }

    /// To be called when the current thread begins to wait for a message.
    #[inline(always)]
    pub(super) fn is_about_to_receive(&self) {
        self.buffer.close_put();
        wake_all(&self.watching_room);
    }

    /// Returns the list of the selects that watch for room, to which the caller adds one:
    /// from now on, every receive looks for selects to wake.
    pub(super) fn watch_room(&self) -> &WaitQueue<Watcher> {
        self.buffer.close_take();
        &self.watching_room
    }

    /// Returns the list of the selects that watch for messages, to which the caller adds
    /// one: from now on, every send looks for selects to wake.
    pub(super) fn watch_messages(&self) -> &WaitQueue<Watcher> {
        self.buffer.close_put();
        &self.watching_messages
    }

    /// Returns what a thread waits for that cannot send.
    pub(super) fn room(&self) -> Need<'_> {
        Need { what: self.wanted_to_send, resource: &self.resource }
    }

    /// Returns what a thread waits for that cannot receive.
    pub(super) fn message(&self) -> Need<'_> {
        Need { what: Want::Message, resource: &self.resource }
    }

    /// Who waited to receive has been woken since all senders are gone: that comes
    /// after whatever made or dropped one.
    #[track_caller]
    pub(super) fn disconnected(&self) {
        also(self.object(), Access::Await);
    }

    /// One more sender. The order of those who come and go makes no difference.
    #[track_caller]
    pub(super) fn add_sender(&self) {
        note(self.object(), Access::Commute, "clone a sender of");
        self.senders.set(self.senders.get() + 1);
    }

    #[track_caller]
    pub(super) fn add_receiver(&self) {
        note(self.object(), Access::Write, "clone a receiver of");
        self.receivers.set(self.receivers.get() + 1);
    }

    /// A sender has gone.
    pub(super) fn drop_sender(&self) {
        note_at(self.object(), Access::Commute, "drop a sender of", self.resource.made_at());
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.receiving.wake_all();
            self.watching_messages.wake_all();
        }
    }

    /// A receiver has gone. With the last one go the messages that were not received.
    pub(super) fn drop_receiver(&self) {
        note_at(self.object(), Access::Write, "drop a receiver of", self.resource.made_at());
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            self.sending.wake_all();
            self.watching_room.wake_all();
            // Their destructors may use this channel.
            drop(self.buffer.take_all());
        }
    }
}

/// Wakes the selects that watch: what they watch for may have come.
#[inline(always)]
fn wake_all(watching: &WaitQueue<Watcher>) {
    if !watching.is_clear() {
        wake_all_that_watch(watching);
    }
}

#[cold]
#[inline(never)]
fn wake_all_that_watch(watching: &WaitQueue<Watcher>) {
    watching.wake_all();
}
