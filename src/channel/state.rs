//! What the two halves of a channel share.

use std::cell::Cell;

use super::deadline::Moment;
use super::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use super::pairs::Pairs;
use super::readiness::{self, Operation, Watcher};
use super::ring::Ring;
use crate::access::{Access, Accessed, Observed, Part};
use crate::cancel::interrupted;
use crate::kernel::{Need, Outcome, WaitQueue, Want, scheduler, try_scheduler};

/// A channel, as its handles share it.
pub(super) struct Channel<T> {
    state: Observed<State<T>>,
    /// The number of messages that the channel can hold, `None` if there is no limit.
    capacity: Option<usize>,
    /// What a thread waits for that cannot send: a receiver, if the buffer holds nothing,
    /// or else room.
    wanted_to_send: Want,
}

/// What changes while the channel is in use.
pub(super) struct State<T> {
    /// The messages that were sent while no thread waited to receive.
    buffer: Ring<T>,
    /// The number of messages that the buffer may hold: 0 for a rendezvous, the largest
    /// number for a channel without a limit.
    limit: usize,
    /// The threads that wait to send. Each has its message in its node.
    pub(super) sending: WaitQueue<T>,
    /// The threads that wait to receive.
    pub(super) receiving: WaitQueue<T>,
    /// The selects that watch until a message could be sent.
    watching_room: WaitQueue<Watcher>,
    /// The selects that watch until a message could be received.
    watching_messages: WaitQueue<Watcher>,
    /// The operations of selects that have paired.
    pub(super) pairs: Pairs<T>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
}

impl<T> Channel<T> {
    /// Creates a channel with one sender and one receiver.
    #[track_caller]
    pub(super) fn new(capacity: Option<usize>) -> Channel<T> {
        let state = State {
            buffer: Ring::new(),
            limit: capacity.unwrap_or(usize::MAX),
            sending: WaitQueue::new(),
            receiving: WaitQueue::new(),
            watching_room: WaitQueue::new(),
            watching_messages: WaitQueue::new(),
            pairs: Pairs::new(),
            senders: Cell::new(1),
            receivers: Cell::new(1),
        };
        let wanted_to_send = if capacity == Some(0) { Want::Receiver } else { Want::Room };
        Channel { state: Observed::known("channel", state), capacity, wanted_to_send }
    }

    /// Returns the number of messages in the buffer.
    #[track_caller]
    pub(super) fn len(&self) -> usize {
        self.state.note(Access::Read, "look at").buffer.len()
    }

    /// Returns the number of messages that the channel can hold, `None` if there is no
    /// limit.
    pub(super) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    /// Returns `true` if the buffer has no room.
    #[track_caller]
    pub(super) fn is_full(&self) -> bool {
        let state = self.state.note(Access::Read, "look at");
        !state.has_room(state.buffer.len())
    }

    /// Returns the state, as part of a select.
    #[inline(always)]
    pub(super) fn within(&self, begun: Part<'_>) -> Accessed<'_, State<T>> {
        self.state.within(begun)
    }

    /// Returns the state, to complete an operation that a `Select` has selected.
    pub(super) fn complete(&self) -> Accessed<'_, State<T>> {
        self.state.also(Access::Write)
    }

    /// Begins to complete an operation before its partner does. A cancellation point.
    #[track_caller]
    pub(super) fn begin_with_partner(&self, verb: &'static str) -> Accessed<'_, State<T>> {
        self.state.begin(Access::Write, verb)
    }

    /// Begins to break a promise.
    pub(super) fn broken(&self) -> Accessed<'_, State<T>> {
        self.state.note_where_made(Access::Write, "give up an operation on")
    }

    /// Sends without waiting, also to a `Select` that waits to receive.
    #[inline(always)]
    #[track_caller]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let state = self.state.note(Access::Write, "try send to");
        match state.try_send(value) {
            Err(TrySendError::Full(value)) => state.hand_over(value).map_err(TrySendError::Full),
            result => result,
        }
    }

    /// Receives without waiting. Waits for the message of a `Select` that waits to send. `end` is
    /// the receiver.
    #[inline(always)]
    #[track_caller]
    pub(super) fn try_recv(&self, end: &dyn Operation) -> Result<T, TryRecvError> {
        let state = self.state.note(Access::Write, "try receive from");
        match state.try_recv() {
            Err(TryRecvError::Empty) if state.meets_sender() => self.recv_from_select(end),
            result => result,
        }
    }

    /// Sends, and waits for room until the deadline. `function` is the public function that
    /// needs a runtime if it waits.
    #[inline(always)]
    #[track_caller]
    pub(super) fn send(
        &self,
        function: &'static str,
        value: T,
        deadline: impl FnOnce() -> Moment,
    ) -> Result<(), SendTimeoutError<T>> {
        let state = self.state.begin(Access::Write, "send to");
        match state.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(TrySendError::Full(value)) => self.wait_to_send(state, function, value, deadline()),
        }
    }

    /// Waits until a receiver has taken `value`, or until the deadline.
    #[inline(always)]
    #[track_caller]
    fn wait_to_send(
        &self,
        state: Accessed<'_, State<T>>,
        function: &'static str,
        value: T,
        deadline: Moment,
    ) -> Result<(), SendTimeoutError<T>> {
        state.is_about_to_send();
        let scheduler = scheduler(function);
        let (outcome, left) = state.wait(
            |state| &state.sending,
            self.wanted_to_send,
            scheduler,
            Some(value),
            deadline,
        );
        // Taking the value ends the wait, so without a value only a receiver has.
        let Some(value) = left else { return Ok(()) };
        match outcome {
            Outcome::Woken => Err(SendTimeoutError::Disconnected(value)),
            // mistake: message-dropped-at-deadline
            Outcome::Elapsed => Err(SendTimeoutError::Timeout(value)),
            Outcome::Interrupted => {
                drop(value);
                interrupted()
            }
        }
    }

    /// Receives, and waits for a message until the deadline. `function` is the public
    /// function that needs a runtime if it waits.
    #[inline(always)]
    #[track_caller]
    pub(super) fn recv(
        &self,
        function: &'static str,
        deadline: impl FnOnce() -> Moment,
    ) -> Result<T, RecvTimeoutError> {
        let state = self.state.begin(Access::Write, "receive from");
        match state.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => self.wait_to_receive(state, function, deadline()),
        }
    }

    /// Waits until a sender has given a message, or until the deadline.
    #[inline(always)]
    #[track_caller]
    fn wait_to_receive(
        &self,
        state: Accessed<'_, State<T>>,
        function: &'static str,
        deadline: Moment,
    ) -> Result<T, RecvTimeoutError> {
        state.is_about_to_receive();
        let scheduler = scheduler(function);
        match state.wait(|state| &state.receiving, Want::Message, scheduler, None, deadline) {
            (_, Some(value)) => Ok(value),
            (Outcome::Woken, None) => {
                self.disconnected();
                Err(RecvTimeoutError::Disconnected)
            }
            (Outcome::Elapsed, None) => Err(RecvTimeoutError::Timeout),
            (Outcome::Interrupted, None) => interrupted(),
        }
    }

    /// Returns what a thread waits for that cannot send.
    pub(super) fn room(&self) -> Need<'_> {
        self.state.need(self.wanted_to_send)
    }

    /// Returns what a thread waits for that cannot receive.
    pub(super) fn message(&self) -> Need<'_> {
        self.state.need(Want::Message)
    }

    /// Orders this receive, which was woken without a message, after the clone and the drop
    /// of every sender.
    #[track_caller]
    pub(super) fn disconnected(&self) {
        self.state.also(Access::Await);
    }

    /// Returns the queue of the selects that watch for room, to which the caller adds one.
    /// From now on, every receive looks for selects to wake.
    pub(super) fn watch_room(&self, begun: Part<'_>) -> &WaitQueue<Watcher> {
        let state = self.state.within(begun);
        state.buffer.close_take();
        state.queue(|state| &state.watching_room)
    }

    /// Returns the queue of the selects that watch for messages, to which the caller adds
    /// one. From now on, every send looks for selects to wake.
    pub(super) fn watch_messages(&self, begun: Part<'_>) -> &WaitQueue<Watcher> {
        let state = self.state.within(begun);
        state.buffer.close_put();
        state.queue(|state| &state.watching_messages)
    }

    /// Returns the queue of the selects that watch for room, as it is.
    pub(super) fn room_watchers(&self, begun: Part<'_>) -> &WaitQueue<Watcher> {
        self.state.within(begun).queue(|state| &state.watching_room)
    }

    /// Returns the queue of the selects that watch for messages, as it is.
    pub(super) fn message_watchers(&self, begun: Part<'_>) -> &WaitQueue<Watcher> {
        self.state.within(begun).queue(|state| &state.watching_messages)
    }

    /// Counts one more sender. The order of clones and drops of senders makes no difference.
    #[track_caller]
    pub(super) fn add_sender(&self) {
        let state = self.state.note(Access::Commute, "clone a sender of");
        state.senders.set(state.senders.get() + 1);
    }

    /// Counts one more receiver.
    #[track_caller]
    pub(super) fn add_receiver(&self) {
        let state = self.state.note(Access::Write, "clone a receiver of");
        state.receivers.set(state.receivers.get() + 1);
    }

    /// Counts one sender less. The last one wakes all receivers.
    pub(super) fn drop_sender(&self) {
        let state = self.state.note_where_made(Access::Commute, "drop a sender of");
        state.senders.set(state.senders.get() - 1);
        if state.senders.get() == 0 {
            // mistake: one-receiver-woken
            state.receiving.wake_all();
            state.pairs.receiving.wake_all();
            state.watching_messages.wake_all();
        }
    }

    /// Counts one receiver less. The last one wakes all senders, and drops the messages that
    /// were not received.
    pub(super) fn drop_receiver(&self) {
        let state = self.state.note_where_made(Access::Write, "drop a receiver of");
        state.receivers.set(state.receivers.get() - 1);
        if state.receivers.get() == 0 {
            // mistake: one-sender-woken
            state.sending.wake_all();
            state.pairs.sending.wake_all();
            state.watching_room.wake_all();
            // Their destructors may use this channel.
            drop(state.buffer.take_all());
        }
    }

    /// Names the channel for reports. The first name stays.
    pub(super) fn set_name(&self, name: String) {
        self.state.set_name(name);
    }
}

impl<T> State<T> {
    /// Returns `true` if a buffer of `length` messages has room.
    #[inline(always)]
    fn has_room(&self, length: usize) -> bool {
        // mistake: one-message-too-many
        length < self.limit
    }

    /// Returns `true` if sending would not wait.
    pub(super) fn can_send(&self) -> bool {
        let is_awaited = || !self.receiving.is_empty();
        self.receivers.get() == 0 || is_awaited() || self.has_room(self.buffer.len())
    }

    /// Returns `true` if receiving would not wait.
    pub(super) fn can_receive(&self) -> bool {
        let is_offered = || !self.sending.is_empty();
        self.senders.get() == 0 || is_offered() || !self.buffer.is_empty()
    }

    /// Sends without waiting.
    #[inline(always)]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let Err(value) = self.buffer.put_at_once(value) else { return Ok(()) };
        // Without receivers no thread waits for a message.
        // mistake: receiver-passed-over
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

    /// Receives without waiting.
    #[inline(always)]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        if let Some(value) = self.buffer.take_at_once() {
            return Ok(value);
        }
        // What is in the buffer is older than the messages of the threads that wait to send.
        if !self.buffer.is_empty() {
            if let Some(value) = self.recv_from_buffer() {
                return Ok(value);
            }
        } else if let Some(value) = self.sending.take() {
            return Ok(value);
        }
        Err(if self.senders.get() == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    /// Gives a message to a select that waits to receive, and that has to complete the operation.
    ///
    /// # Errors
    ///
    /// Gives the message back if there is no such select.
    #[inline(always)]
    pub(super) fn hand_over(&self, value: T) -> Result<(), T> {
        if self.watching_messages.is_clear() { Err(value) } else { self.hand_to_select(value) }
    }

    /// Gives a message as [`hand_over`](State::hand_over), where a select may watch.
    #[cold]
    #[inline(never)]
    fn hand_to_select(&self, value: T) -> Result<(), T> {
        if !readiness::pair(&self.watching_messages) {
            return Err(value);
        }
        self.pairs.handed.push(value);
        Ok(())
    }

    /// Finds a select that waits to send, and pairs with it. Returns `true` if there is one. The
    /// caller has to wait for its message, so there is none outside a runtime.
    #[inline(always)]
    pub(super) fn meets_sender(&self) -> bool {
        !self.watching_room.is_clear()
            && try_scheduler().is_some()
            && readiness::pair(&self.watching_room)
    }

    /// Takes a message out of the buffer, and lets the first thread that waits to send
    /// put its message there.
    #[inline(never)]
    fn recv_from_buffer(&self) -> Option<T> {
        let value = self.buffer.pop()?;
        // mistake: room-wakes-no-sender
        match self.sending.take() {
            // mistake: take-opens-early
            Some(next) => self.buffer.push(next),
            None => {
                wake_all(&self.watching_room);
                self.buffer.open_take();
            }
        }
        Some(value)
    }

    /// Prepares for a wait of the current thread with a message.
    #[inline(always)]
    pub(super) fn is_about_to_send(&self) {
        // mistake: take-stays-open
        self.buffer.close_take();
        wake_all(&self.watching_messages);
    }

    /// Prepares for a wait of the current thread for a message.
    #[inline(always)]
    pub(super) fn is_about_to_receive(&self) {
        // mistake: put-stays-open
        self.buffer.close_put();
        wake_all(&self.watching_room);
    }
}

/// Wakes the selects that watch, since what they watch for may have come.
#[inline(always)]
fn wake_all(watching: &WaitQueue<Watcher>) {
    if !watching.is_clear() {
        wake_all_that_watch(watching);
    }
}

/// Wakes the selects as [`wake_all`], where one may watch.
#[cold]
#[inline(never)]
fn wake_all_that_watch(watching: &WaitQueue<Watcher>) {
    watching.wake_all();
}
