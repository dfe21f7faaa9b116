//! What the two ends of a channel share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use super::watching::Watcher;
use crate::runtime::{
    Access, Need, Object, Outcome, Resource, Wait, WaitFor, WaitList, Want, also, interrupted,
    note, note_at, operation, scheduler,
};

pub(super) struct Channel<T> {
    /// What has been sent, and nobody has waited for.
    buffer: RefCell<VecDeque<T>>,
    /// How much the buffer may hold: 0 for a rendezvous.
    pub(super) capacity: Option<usize>,
    /// Those who wait to send have what they send in their nodes.
    pub(super) sending: WaitList<T>,
    pub(super) receiving: WaitList<T>,
    /// Those who watch until they could send, or receive.
    pub(super) watching_room: WaitList<Watcher>,
    pub(super) watching_messages: WaitList<Watcher>,
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
            buffer: RefCell::new(VecDeque::new()),
            capacity,
            sending: WaitList::new(),
            receiving: WaitList::new(),
            watching_room: WaitList::new(),
            watching_messages: WaitList::new(),
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
        self.buffer.borrow().len()
    }

    #[inline(always)]
    fn has_room(&self, length: usize) -> bool {
        self.capacity.is_none_or(|capacity| length < capacity)
    }

    #[track_caller]
    pub(super) fn is_full(&self) -> bool {
        !self.has_room(self.len())
    }

    /// Would sending not have to wait? Tells nobody.
    pub(super) fn can_send(&self) -> bool {
        let somebody_waits = || !self.receiving.is_empty();
        self.receivers.get() == 0 || somebody_waits() || self.has_room(self.buffer.borrow().len())
    }

    /// Would receiving not have to wait? Tells nobody.
    pub(super) fn can_receive(&self) -> bool {
        let somebody_waits = || !self.sending.is_empty();
        self.senders.get() == 0 || somebody_waits() || !self.buffer.borrow().is_empty()
    }

    /// Sends without waiting, as part of an operation that has begun.
    #[inline(always)]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.receivers.get() == 0 {
            return Err(TrySendError::Disconnected(value));
        }
        let Err(value) = self.receiving.give(value) else { return Ok(()) };
        let mut buffer = self.buffer.borrow_mut();
        if !self.has_room(buffer.len()) {
            return Err(TrySendError::Full(value));
        }
        buffer.push_back(value);
        drop(buffer);
        let_look(&self.watching_messages);
        Ok(())
    }

    /// Receives without waiting, as part of an operation that has begun.
    #[inline(always)]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut buffer = self.buffer.borrow_mut();
        let received = match buffer.pop_front() {
            Some(value) => {
                // The first who waits to send has room now.
                match self.sending.take() {
                    Some(next) => buffer.push_back(next),
                    None => let_look(&self.watching_room),
                }
                Some(value)
            }
            None => self.sending.take(),
        };
        received.ok_or(if self.senders.get() == 0 {
            TryRecvError::Disconnected
        } else {
            TryRecvError::Empty
        })
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

    /// Somebody is going to wait with a message for whoever receives it.
    #[inline(always)]
    pub(super) fn is_about_to_send(&self) {
        let_look(&self.watching_messages);
    }

    #[inline(always)]
    pub(super) fn is_about_to_receive(&self) {
        let_look(&self.watching_room);
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

    /// A receiver has gone. With the last one goes what was sent and not received.
    pub(super) fn drop_receiver(&self) {
        note_at(self.object(), Access::Write, "drop a receiver of", self.resource.made_at());
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            self.sending.wake_all();
            self.watching_room.wake_all();
            let unread = self.buffer.take();
            drop(unread);
        }
    }
}

/// What they watch for may have come.
#[inline(always)]
fn let_look(watching: &WaitList<Watcher>) {
    if !watching.is_clear() {
        let_all_look(watching);
    }
}

#[cold]
#[inline(never)]
fn let_all_look(watching: &WaitList<Watcher>) {
    watching.wake_all();
}
