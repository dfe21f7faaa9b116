//! The core of a channel between runtimes: its messages, and the threads that wait at each side.
//!
//! This file uses nothing of leno but the names in `super::sync_shim`, so that a model checker
//! can run it with its own types (`tests/loom`).
//!
//! **The protocol.** An operation that cannot proceed enrolls its thread under the same lock: a later
//! change finds the thread. Each message wakes one thread that waits to receive, and each room one
//! that waits to send. A thread that is woken has left the list, and tries again. If it gives its
//! operation up instead, it passes the wake on. So a message or a room without a thread that looks at it
//! is never left beside a thread that waits for it. A side without threads costs no wake.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::sync_shim::{Mutex, MutexGuard};

/// A thread that waits.
pub trait Wake {
    /// Ends the thread's wait, or its next wait. Called without a lock.
    fn wake(self);
}

/// Messages, for any number of OS threads at both sides.
pub struct Queue<T, W> {
    state: Mutex<State<T, W>>,
    capacity: usize,
}

struct State<T, W> {
    messages: VecDeque<T>,
    senders: usize,
    receivers: usize,
    to_send: Waiting<W>,
    to_receive: Waiting<W>,
}

/// The threads that wait at one side, first come, first woken.
struct Waiting<W> {
    next: u64,
    all: VecDeque<(u64, W)>,
}

/// The number of a thread's place among those that wait.
#[derive(Clone, Copy)]
pub struct Ticket(pub u64);

/// The reason why a message was not sent. Holds the message.
pub enum Unsent<T> {
    Full(T),
    Disconnected(T),
}

/// The reason why no message was received.
pub enum Unreceived {
    Empty,
    Disconnected,
}

impl<T, W: Wake> Queue<T, W> {
    /// Creates a queue with one sender and one receiver.
    pub fn new(capacity: usize) -> Queue<T, W> {
        let waiting = || Waiting { next: 0, all: VecDeque::new() };
        Queue {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                senders: 1,
                receivers: 1,
                to_send: waiting(),
                to_receive: waiting(),
            }),
            capacity,
        }
    }

    /// Locks the state. No code of the program runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State<T, W>> {
        self.state.lock().unwrap()
    }

    /// Sends a message. If there is no room, enrolls the thread that `waiter` returns, if it returns
    /// one, and sets `ticket`. An earlier ticket is given back in any case.
    ///
    /// # Errors
    ///
    /// If there is no room or no receiver.
    pub fn send(
        &self,
        message: T,
        ticket: &mut Option<Ticket>,
        waiter: impl FnOnce() -> Option<W>,
    ) -> Result<(), Unsent<T>> {
        let mut state = self.lock();
        state.to_send.give_back(ticket);
        if state.receivers == 0 {
            return Err(Unsent::Disconnected(message));
        }
        if state.messages.len() >= self.capacity {
            *ticket = waiter().map(|waiter| state.to_send.enroll(waiter));
            return Err(Unsent::Full(message));
        }
        state.messages.push_back(message);
        // mistake: shards-lost-wake
        let woken = state.to_receive.pop();
        drop(state);
        wake(woken);
        Ok(())
    }

    /// Receives a message. If there is none, enrolls a thread as [`send`](Queue::send) does.
    ///
    /// # Errors
    ///
    /// If there is no message.
    pub fn recv(
        &self,
        ticket: &mut Option<Ticket>,
        waiter: impl FnOnce() -> Option<W>,
    ) -> Result<T, Unreceived> {
        let mut state = self.lock();
        state.to_receive.give_back(ticket);
        let Some(message) = state.messages.pop_front() else {
            if state.senders == 0 {
                return Err(Unreceived::Disconnected);
            }
            *ticket = waiter().map(|waiter| state.to_receive.enroll(waiter));
            return Err(Unreceived::Empty);
        };
        // mistake: shards-lost-room
        let woken = state.to_send.pop();
        drop(state);
        wake(woken);
        Ok(message)
    }

    /// Adds a thread to those that wait to send. Returns `None` if a send would not wait.
    pub fn enroll_to_send(&self, waiter: W) -> Option<Ticket> {
        let mut state = self.lock();
        let waits = !state.can_send(self.capacity);
        waits.then(|| state.to_send.enroll(waiter))
    }

    /// Adds a thread to those that wait to receive. Returns `None` if a receive would not wait.
    pub fn enroll_to_receive(&self, waiter: W) -> Option<Ticket> {
        let mut state = self.lock();
        let waits = !state.can_receive();
        waits.then(|| state.to_receive.enroll(waiter))
    }

    /// Gives up a send. If its thread has been woken, another one is.
    pub fn leave_sending(&self, mut ticket: Option<Ticket>) {
        let mut state = self.lock();
        let is_woken = !state.to_send.give_back(&mut ticket);
        let passes_on = is_woken && state.can_send(self.capacity);
        let woken = if passes_on { state.to_send.pop() } else { None };
        drop(state);
        wake(woken);
    }

    /// Gives up a receive. If its thread has been woken, another one is.
    pub fn leave_receiving(&self, mut ticket: Option<Ticket>) {
        let mut state = self.lock();
        let is_woken = !state.to_receive.give_back(&mut ticket);
        let passes_on = is_woken && state.can_receive();
        let woken = if passes_on { state.to_receive.pop() } else { None };
        drop(state);
        wake(woken);
    }

    /// Returns `true` if a send would not wait.
    pub fn can_send(&self) -> bool {
        self.lock().can_send(self.capacity)
    }

    /// Returns `true` if a receive would not wait.
    pub fn can_receive(&self) -> bool {
        self.lock().can_receive()
    }

    /// Returns the number of messages.
    pub fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// Adds a sender.
    pub fn add_sender(&self) {
        self.lock().senders += 1;
    }

    /// Adds a receiver.
    pub fn add_receiver(&self) {
        self.lock().receivers += 1;
    }

    /// Removes a sender. If it was the last, all that wait to receive are woken.
    pub fn remove_sender(&self) {
        let mut state = self.lock();
        state.senders -= 1;
        // mistake: shards-endless
        let woken = if state.senders == 0 { state.to_receive.take() } else { VecDeque::new() };
        drop(state);
        wake(woken.into_iter().map(|(_, waiter)| waiter));
    }

    /// Removes a receiver. If it was the last, the messages are dropped, and all that wait to send are
    /// woken.
    pub fn remove_receiver(&self) {
        let mut state = self.lock();
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        let woken = state.to_send.take();
        let messages = std::mem::take(&mut state.messages);
        drop(state);
        wake(woken.into_iter().map(|(_, waiter)| waiter));
        // Last, and without the lock: this runs code of the program.
        drop(messages);
    }
}

fn wake<W: Wake>(woken: impl IntoIterator<Item = W>) {
    woken.into_iter().for_each(W::wake);
}

impl<T, W> State<T, W> {
    fn can_send(&self, capacity: usize) -> bool {
        self.receivers == 0 || self.messages.len() < capacity
    }

    fn can_receive(&self) -> bool {
        self.senders == 0 || !self.messages.is_empty()
    }
}

impl<W> Waiting<W> {
    fn enroll(&mut self, waiter: W) -> Ticket {
        self.next += 1;
        self.all.push_back((self.next, waiter));
        Ticket(self.next)
    }

    fn pop(&mut self) -> Option<W> {
        self.all.pop_front().map(|(_, waiter)| waiter)
    }

    fn take(&mut self) -> VecDeque<(u64, W)> {
        std::mem::take(&mut self.all)
    }

    /// Takes the ticket's thread off the list. Returns `false` if it has been woken.
    fn give_back(&mut self, ticket: &mut Option<Ticket>) -> bool {
        let Some(Ticket(number)) = ticket.take() else { return false };
        // In the order of the numbers.
        let place = self.all.binary_search_by_key(&number, |(number, _)| *number);
        place.is_ok_and(|place| self.all.remove(place).is_some())
    }
}
