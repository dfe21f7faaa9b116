//! A select over operations that are known only when the program runs.
//!
//! [`Select`] has nothing to send while it waits: the message comes when it is clear
//! that there is somebody for it. So it does not wait in the lists of those who send
//! and receive, but [watches](super::watching).

use crate::access::{Access, Object, also, operation_on_all};
use crate::cancel::interrupted;
use crate::explore::alternative;
use crate::kernel::{Need, Needs, Outcome, Wait, WaitFor, WaitQueue, scheduler, try_scheduler};
use crate::timer::Instant;
use std::fmt;
use std::mem;
use std::panic::Location;
use std::ptr;
use std::time::Duration;

use super::core::Deadline as Moment;
use super::deadline::Deadline;
use super::ends::{Receiver, Sender};
use super::error::{
    ReadyTimeoutError, RecvError, SelectTimeoutError, SendError, TryReadyError, TryRecvError,
    TrySelectError, TrySendError,
};
use super::watching::{Operation, Watcher};

/// Waits until one of several channel operations can go on, as crossbeam-channel's.
///
/// For a number of channels that is known only when the program runs; where it is
/// known, [`select!`](crate::select!) is shorter and faster, and allocates nothing.
///
/// Operations are added once, and the list can be used again and again. Each has a
/// number, from 0 on. If several can go on, any of them is selected, each with the
/// same probability; a channel that is disconnected can go on, with an error.
///
/// [`select`](Select::select) and its like give a [`SelectedOperation`], which has to
/// be completed: with what is to be sent, or for what is received. If that is done at
/// once it does not wait, but where the other side is a `Select`, too: then both have
/// selected it, and it waits for the other to do its part. If others run in between, and take the message or the
/// room, it waits as [`Sender::send`] and [`Receiver::recv`] do.
///
/// One who waits with [`Sender::send`], [`Receiver::recv`] or
/// [`select!`](crate::select!) is served before a `Select`. Operations that never wait, like
/// [`Sender::try_send`], do not meet a `Select` on a channel without a buffer.
///
/// # Examples
///
/// ```
/// use leno::channel::{Select, unbounded};
///
/// leno::run(|| {
///     let (senders, receivers): (Vec<_>, Vec<_>) = (0..10).map(|_| unbounded()).unzip();
///     for (number, sender) in senders.into_iter().enumerate() {
///         leno::spawn(move || sender.send(number).unwrap());
///     }
///     let mut select = Select::new();
///     for receiver in &receivers {
///         select.recv(receiver);
///     }
///     let mut sum = 0;
///     for _ in 0..10 {
///         let selected = select.select();
///         let index = selected.index();
///         sum += selected.recv(&receivers[index]).unwrap();
///         select.remove(index); // now its sender is gone
///     }
///     assert_eq!(sum, 45);
/// });
/// ```
#[derive(Clone)]
pub struct Select<'a> {
    operations: Vec<Numbered<'a>>,
    next: usize,
    biased: bool,
}

/// An operation that can go on, and has to be completed.
///
/// # Panics
///
/// When it is dropped without.
#[must_use = "the operation has to be completed"]
pub struct SelectedOperation<'a> {
    index: usize,
    operation: &'a dyn Operation,
}

/// An operation and its number.
type Numbered<'a> = (usize, &'a dyn Operation);

/// How long to look for an operation that can go on, and for whom.
struct Search {
    function: &'static str,
    deadline: Deadline,
    /// The operation is going to be completed.
    commits: bool,
}

impl<'a> Select<'a> {
    /// An empty list of operations.
    #[must_use]
    pub fn new() -> Select<'a> {
        Select { operations: Vec::new(), next: 0, biased: false }
    }

    /// As [`new`](Select::new), but of several that can go on, the first is selected.
    #[must_use]
    pub fn new_biased() -> Select<'a> {
        Select { biased: true, ..Select::new() }
    }

    /// Adds that something is sent. Gives the number of the operation.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(sender)
    }

    /// Adds that something is received. Gives the number of the operation.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(receiver)
    }

    fn add(&mut self, operation: &'a dyn Operation) -> usize {
        let index = self.next;
        self.next += 1;
        self.operations.push((index, operation));
        index
    }

    /// Takes the operation with this number out. The others keep theirs.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    pub fn remove(&mut self, index: usize) {
        let place = self.operations.iter().position(|&(other, _)| other == index);
        let Some(place) = place else {
            panic!("the select has no operation number {index}: none was added, or it was removed")
        };
        self.operations.remove(place);
    }

    /// Waits until an operation can go on, and selects it.
    ///
    /// # Panics
    ///
    /// If there are no operations, or if it has to wait outside a runtime.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        let search = Search::new("Select::select", Deadline::Never, true);
        self.selected(&search).expect("it does not give up")
    }

    /// Selects an operation that can go on at once.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        let search = Search::new("Select::try_select", Deadline::Now, true);
        self.selected(&search).ok_or(TrySelectError)
    }

    /// As [`select`](Select::select), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        let search = Search::new("Select::select_timeout", Deadline::After(timeout), true);
        self.selected(&search).ok_or(SelectTimeoutError)
    }

    /// As [`select_timeout`](Select::select_timeout), until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is over.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        let search = Search::new("Select::select_deadline", Deadline::At(deadline), true);
        self.selected(&search).ok_or(SelectTimeoutError)
    }

    /// Waits until an operation can go on, and gives its number.
    ///
    /// That it could go on is seen now, and nobody is kept from taking the message or
    /// the room if others run. Another `Select` at the other end of a channel without
    /// a buffer does not count.
    ///
    /// # Panics
    ///
    /// As [`select`](Select::select).
    #[track_caller]
    pub fn ready(&mut self) -> usize {
        let search = Search::new("Select::ready", Deadline::Never, false);
        self.find(&search).expect("it does not give up").0
    }

    /// The number of an operation that can go on now; see [`ready`](Select::ready).
    ///
    /// # Errors
    ///
    /// If there is none.
    #[track_caller]
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        let search = Search::new("Select::try_ready", Deadline::Now, false);
        self.find(&search).map(|(index, _)| index).ok_or(TryReadyError)
    }

    /// As [`ready`](Select::ready), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        let search = Search::new("Select::ready_timeout", Deadline::After(timeout), false);
        self.find(&search).map(|(index, _)| index).ok_or(ReadyTimeoutError)
    }

    /// As [`ready_timeout`](Select::ready_timeout), until `deadline`.
    ///
    /// # Errors
    ///
    /// If the time is over.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        let search = Search::new("Select::ready_deadline", Deadline::At(deadline), false);
        self.find(&search).map(|(index, _)| index).ok_or(ReadyTimeoutError)
    }

    #[track_caller]
    fn selected(&self, search: &Search) -> Option<SelectedOperation<'a>> {
        self.find(search).map(|(index, operation)| SelectedOperation { index, operation })
    }

    /// Waits until there is an operation that can go on. `None` at the deadline.
    #[track_caller]
    fn find(&self, search: &Search) -> Option<Numbered<'a>> {
        if let Deadline::Never = search.deadline {
            assert!(!self.operations.is_empty(), "no operations have been added to the select");
        }
        self.tell();
        if let Some(found) = self.look(search) {
            return Some(found);
        }
        if let Deadline::Now = search.deadline {
            return None;
        }
        let scheduler = scheduler(search.function);
        let deadline = search.deadline.moment(scheduler);
        loop {
            match self.watch(search, deadline) {
                Ended::Paired(place) => return Some(self.operations[place]),
                Ended::Deadline => return None,
                Ended::Changed => self.tell(),
            }
            if let Some(found) = self.look(search) {
                return Some(found);
            }
        }
    }

    /// Whatever comes of it, it depends on the state of all.
    #[track_caller]
    fn tell(&self) {
        let all = self.operations.iter();
        operation_on_all(all.map(|(_, one)| Object::Resource(one.resource())), "select on");
    }

    /// One of those that can go on.
    fn look(&self, search: &Search) -> Option<Numbered<'a>> {
        let found = || self.operations.iter().filter(|(_, operation)| search.finds(*operation));
        let place = match try_scheduler() {
            Some(scheduler) if !self.biased => match found().count() {
                0 | 1 => 0,
                count => alternative(scheduler, count),
            },
            _ => 0,
        };
        let (index, operation) = *found().nth(place)?;
        if !operation.is_ready() {
            operation.pair();
        }
        Some((index, operation))
    }

    /// Waits until somebody has changed something.
    #[track_caller]
    fn watch(&self, search: &Search, deadline: Moment) -> Ended {
        let scheduler = scheduler(search.function);
        let all = || self.operations.iter().map(|(_, operation)| operation);
        let mut lists = Vec::new();
        let mut first_timer = None;
        for (place, operation) in all().enumerate() {
            match operation.watching() {
                Ok(list) => lists.push((place, list)),
                Err(moment) => first_timer = first_timer.into_iter().chain(moment).min(),
            }
        }
        let needs: Vec<Need<'_>> = all().map(|operation| operation.need()).collect();
        let ends_by_timer = first_timer.is_some_and(|first| deadline.is_none_or(|end| first < end));
        let deadline = if ends_by_timer { first_timer } else { deadline };
        let needs = Needs::All(&needs);
        let wait = Wait::at(WaitFor::Any(&needs), Location::caller());
        let watcher = if search.commits { Watcher::Commits } else { Watcher::Looks };
        let block = || scheduler.block(&wait, deadline);
        match WaitQueue::enrolled_in_all(scheduler, &lists, watcher, block) {
            (Outcome::Woken, Some((place, Watcher::Paired))) => Ended::Paired(place),
            (Outcome::Woken, _) => Ended::Changed,
            (Outcome::Elapsed, _) if ends_by_timer => Ended::Changed,
            (Outcome::Elapsed, _) => Ended::Deadline,
            (Outcome::Interrupted, _) => interrupted(),
        }
    }
}

/// How a wait has ended.
enum Ended {
    /// A partner has come for the operation at this place.
    Paired(usize),
    /// Something has changed, or the moment of a timer has come.
    Changed,
    Deadline,
}

impl Search {
    fn new(function: &'static str, deadline: Deadline, commits: bool) -> Search {
        Search { function, deadline, commits }
    }

    fn finds(&self, operation: &dyn Operation) -> bool {
        operation.is_ready() || self.commits && operation.has_partner()
    }
}

impl SelectedOperation<'_> {
    /// The number of the operation.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Sends to the selected channel.
    ///
    /// # Errors
    ///
    /// If all receivers are gone. Gives the message back.
    ///
    /// # Panics
    ///
    /// If `sender` is not the one that was added to the select.
    #[track_caller]
    pub fn send<T>(self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        self.complete(sender);
        match sender.channel.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => sender.send(message),
        }
    }

    /// Receives from the selected channel.
    ///
    /// # Errors
    ///
    /// If all senders are gone, and there are no more messages.
    ///
    /// # Panics
    ///
    /// If `receiver` is not the one that was added to the select.
    #[track_caller]
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        self.complete(receiver);
        match receiver.take() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => receiver.recv(),
        }
    }

    /// It is about to be completed, at this end of its channel.
    #[track_caller]
    fn complete(self, end: &dyn Operation) {
        let is_it = ptr::addr_eq(end, self.operation);
        let index = self.index;
        // Its destructor would say that it was not completed.
        mem::forget(self);
        assert!(is_it, "operation number {index} was selected, which is of another channel's end");
        also(Object::Resource(end.resource()), Access::Write);
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!(
                "the selected operation number {} was not completed: call send or recv of it",
                self.index
            );
        }
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}
