//! Channels between runtimes in a select.
//!
//! A thread of another OS thread neither gives nor takes a message of a thread that waits in a select: it
//! wakes the thread, which tries its cases again.

use std::cell::Cell;

use super::channel::{Channel, begin};
use super::queue::{Ticket, Unreceived, Unsent};
use super::receiver::Receiver;
use super::sender::Sender;
use crate::access::Part;
use crate::channel::{
    Case, Choice, Operation, RecvError, RemoteChannel, RemoteSide, Round, Select, SendError, Tried,
    Watching,
};
use crate::kernel::{Alternative, External, Listed, Outcome, Scheduler};
use crate::remote::inbox::count_awaiting;
use crate::remote::waiter::Waiter;

impl<T> RemoteChannel for Channel<T> {
    fn is_ready(&self, sends: bool) -> bool {
        if sends { self.queue.can_send() } else { self.queue.can_receive() }
    }

    fn enroll(&self, scheduler: &Scheduler, sends: bool) -> Option<u64> {
        let waiter = Waiter::of(Some(scheduler));
        let Ticket(number) = if sends {
            self.queue.enroll_to_send(waiter)
        } else {
            self.queue.enroll_to_receive(waiter)
        }?;
        count_awaiting(scheduler, 1);
        Some(number)
    }

    fn leave(&self, scheduler: &Scheduler, sends: bool, number: u64) {
        count_awaiting(scheduler, -1);
        let ticket = Some(Ticket(number));
        if sends { self.queue.leave_sending(ticket) } else { self.queue.leave_receiving(ticket) }
    }

    fn external(&self, sends: bool) -> External<'_> {
        if sends { self.room() } else { self.message() }
    }
}

impl<'a> Select<'a> {
    /// Adds a receive from a channel between runtimes, and returns the number of the operation.
    ///
    /// The operation can proceed if a receive would not wait. The receive comes after the select, and
    /// another thread may be faster: then it waits. There is nothing to complete:
    /// [`SelectedOperation`](crate::channel::SelectedOperation) may be dropped.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::Select;
    ///
    /// let (sender, receiver) = leno::shards::bounded(1);
    /// let os_thread = std::thread::spawn(move || sender.send(7));
    /// leno::run(|| {
    ///     let mut select = Select::new();
    ///     let received = select.receivable(&receiver);
    ///     assert_eq!(select.ready(), received);
    ///     assert_eq!(receiver.recv(), Ok(7));
    /// });
    /// # os_thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn receivable<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        begin("Select::receivable");
        self.add(Choice::Remote(RemoteSide::new(&*receiver.channel, false)))
    }

    /// Adds a send to a channel between runtimes, as [`receivable`](Select::receivable) adds a receive. It
    /// can proceed if there is room, or no receiver.
    ///
    /// # Panics
    ///
    /// In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::Select;
    ///
    /// let (sender, _receiver) = leno::shards::bounded(1);
    /// let mut select = Select::new();
    /// select.sendable(&sender);
    /// assert!(select.try_ready().is_ok());
    /// sender.send('a').unwrap();
    /// assert!(select.try_ready().is_err());
    /// ```
    #[track_caller]
    pub fn sendable<T>(&mut self, sender: &'a Sender<T>) -> usize {
        begin("Select::sendable");
        self.add(Choice::Remote(RemoteSide::new(&*sender.channel, true)))
    }
}

/// `recv(receiver) -> result`
#[doc(hidden)]
pub struct RecvCase<'a, T> {
    channel: &'a Channel<T>,
    side: RemoteSide<'a>,
    result: Cell<Option<Result<T, RecvError>>>,
}

/// `send(sender, message) -> result`
#[doc(hidden)]
pub struct SendCase<'a, T> {
    channel: &'a Channel<T>,
    side: RemoteSide<'a>,
    message: Cell<Option<T>>,
    result: Cell<Option<Result<(), SendError<T>>>>,
}

impl<T> Receiver<T> {
    #[doc(hidden)]
    #[track_caller]
    pub fn __select_case(&self) -> RecvCase<'_, T> {
        begin("select!");
        let (channel, side) = (&*self.channel, RemoteSide::new(&*self.channel, false));
        RecvCase { channel, side, result: Cell::new(None) }
    }
}

impl<T> Sender<T> {
    #[doc(hidden)]
    #[track_caller]
    pub fn __select_case(&self, message: T) -> SendCase<'_, T> {
        begin("select!");
        let (channel, side) = (&*self.channel, RemoteSide::new(&*self.channel, true));
        let (message, result) = (Cell::new(Some(message)), Cell::new(None));
        SendCase { channel, side, message, result }
    }
}

/// Waits with the other cases of a `select!`. No node is chosen: a thread that is woken tries its cases
/// again.
fn enroll(
    side: &RemoteSide<'_>,
    round: &Round<'_>,
    place: usize,
    others: Option<&Listed<'_>>,
) -> Outcome {
    let listed = round.listed(place, Alternative(side.wait_for()), others);
    let outcome = match side.watching(round.scheduler(), round.part()) {
        Watching::Remote => round.go_on(place + 1, Some(&listed)),
        // Another OS thread has changed the channel since the case was tried.
        _ => Outcome::Woken,
    };
    side.has_watched(round.scheduler());
    outcome
}

impl<T> RecvCase<'_, T> {
    /// Returns what was received, if this case was chosen.
    pub fn take(&self) -> Option<Result<T, RecvError>> {
        self.result.take()
    }
}

impl<T> Case for RecvCase<'_, T> {
    fn alternative(&self) -> Alternative<'_> {
        Alternative(self.side.wait_for())
    }

    fn is_ready(&self, begun: Part<'_>) -> bool {
        self.side.is_ready(begun)
    }

    fn try_now(&self, _begun: Part<'_>) -> Option<Tried> {
        let result = match self.channel.queue.recv(&mut None, || None) {
            Ok(message) => Ok(message),
            Err(Unreceived::Disconnected) => Err(RecvError),
            Err(Unreceived::Empty) => return None,
        };
        self.result.set(Some(result));
        Some(Tried::Performed)
    }

    fn enroll(&self, round: &Round<'_>, place: usize, others: Option<&Listed<'_>>) -> Outcome {
        enroll(&self.side, round, place, others)
    }

    fn chosen(&self) {}
}

impl<T> SendCase<'_, T> {
    /// Returns the result of the send, if this case was chosen.
    pub fn take(&self) -> Option<Result<(), SendError<T>>> {
        self.result.take()
    }
}

impl<T> Case for SendCase<'_, T> {
    fn alternative(&self) -> Alternative<'_> {
        Alternative(self.side.wait_for())
    }

    fn is_ready(&self, begun: Part<'_>) -> bool {
        self.side.is_ready(begun)
    }

    fn try_now(&self, _begun: Part<'_>) -> Option<Tried> {
        let message = self.message.take()?;
        let result = match self.channel.queue.send(message, &mut None, || None) {
            Ok(()) => Ok(()),
            Err(Unsent::Disconnected(message)) => Err(SendError(message)),
            Err(Unsent::Full(message)) => {
                self.message.set(Some(message));
                return None;
            }
        };
        self.result.set(Some(result));
        Some(Tried::Performed)
    }

    fn enroll(&self, round: &Round<'_>, place: usize, others: Option<&Listed<'_>>) -> Outcome {
        enroll(&self.side, round, place, others)
    }

    fn chosen(&self) {}
}
