//! Operations of two selects that have paired, until both are completed.
//!
//! Each pair is a promise to send and a promise to receive. They are kept in queues of their own,
//! so that no third thread takes the message or the place of a partner, which would then wait for
//! ever. All pairs of a channel share the queues: any promise to send fits any promise to receive.
//! A send that never waits keeps its promise at once: it leaves its message here. So there are as
//! many promises to receive as there are promises to send and messages.

use std::cell::Cell;
use std::mem;

use super::readiness::Operation;
use super::ring::Ring;
use crate::kernel::WaitQueue;

/// The promises of a channel.
pub(super) struct Pairs<T> {
    /// The threads that wait with a message for their partner.
    pub(super) sending: WaitQueue<T>,
    /// The threads that wait for the message of their partner.
    pub(super) receiving: WaitQueue<T>,
    /// The messages of sends that did not wait for their partner.
    pub(super) handed: Ring<T>,
    /// The number of promises to send that were broken before a partner noticed, or, if negative,
    /// of promises to receive.
    broken: Cell<isize>,
}

/// A promise to complete an operation. Dropping it breaks the promise, and the partner goes on
/// as if it had not paired.
pub(super) struct Promise<'a>(pub(super) &'a dyn Operation);

impl Promise<'_> {
    /// Ends a promise that was kept, or that the partner has broken.
    pub(super) fn end(self) {
        mem::forget(self);
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.0.break_promise();
    }
}

impl<T> Pairs<T> {
    /// Returns the state of a channel without pairs.
    pub(super) const fn new() -> Pairs<T> {
        Pairs {
            sending: WaitQueue::new(),
            receiving: WaitQueue::new(),
            handed: Ring::new(),
            broken: Cell::new(0),
        }
    }

    /// Notes that a promise to send is broken, and lets a partner go on.
    pub(super) fn break_send(&self) {
        if self.broken.get() < 0 || !self.receiving.wake_one() {
            self.broken.set(self.broken.get() + 1);
        }
    }

    /// Notes that a promise to receive is broken, and lets a partner go on. Returns the message of a
    /// partner that has gone on already, which is lost.
    pub(super) fn break_receive(&self) -> Option<T> {
        let lost = if self.broken.get() > 0 { None } else { self.handed.pop() };
        if lost.is_none() && (self.broken.get() > 0 || !self.sending.wake_one()) {
            self.broken.set(self.broken.get() - 1);
        }
        lost
    }

    /// Takes the message of a partner that has kept its promise.
    pub(super) fn take(&self) -> Option<T> {
        self.handed.pop().or_else(|| self.sending.take())
    }

    /// Takes note of a broken promise to send, if there is one, and returns `true` then.
    pub(super) fn misses_sender(&self) -> bool {
        let misses = self.broken.get() > 0;
        self.broken.set(self.broken.get() - isize::from(misses));
        misses
    }

    /// Takes note of a broken promise to receive, if there is one, and returns `true` then.
    pub(super) fn misses_receiver(&self) -> bool {
        let misses = self.broken.get() < 0;
        self.broken.set(self.broken.get() + isize::from(misses));
        misses
    }
}
