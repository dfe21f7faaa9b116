//! A select over a number of operations that is known only at run time.
//!
//! A [`Select`] has no message while it waits: the caller supplies it when an operation has
//! been selected. So a select does not wait in the queues of the threads that send and
//! receive, but [watches](super::readiness).

use std::fmt;
use std::time::Duration;

use super::deadline::Deadline;
use super::error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use super::readiness::Choice;
use super::receiver::Receiver;
use super::search::{Numbered, Search};
use super::selected::SelectedOperation;
use super::sender::Sender;
use crate::timer::Instant;

/// Waits until one of several channel operations can proceed, as crossbeam-channel's
/// `Select`.
///
/// For a number of channels that is known only at run time. Where it is known at compile
/// time, [`select!`](crate::select!) is shorter and faster, and allocates nothing.
///
/// Operations are added once, and the list can be used repeatedly. They are numbered from 0.
/// If several can proceed, one of them is selected, each with the same probability. The
/// operation on a disconnected channel can proceed, with an error.
///
/// [`select`](Select::select) and its variants return a [`SelectedOperation`], which the
/// caller has to complete, with the message to send or by receiving one. A completion that
/// follows at once does not wait, unless the other side is a `Select` as well: then both
/// have selected the operation, and the first to complete it waits for the other and for no third
/// thread. If other threads run in between and take the message or the room, or if the other
/// `Select` gives up its operation, the completion waits as [`Sender::send`] and
/// [`Receiver::recv`] do.
///
/// A thread that waits in [`Sender::send`], [`Receiver::recv`] or
/// [`select!`](crate::select!) is served before a `Select`. On a channel without a buffer,
/// [`Sender::try_send`], [`Receiver::try_recv`] and [`select!`](crate::select!) select the operation
/// of a `Select` that waits at the other end, and perform theirs with it. The message of a send that
/// did not wait is dropped if the `Select` gives up its operation.
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
///         select.remove(index); // its sender has been dropped
///     }
///     assert_eq!(sum, 45);
/// });
/// ```
#[derive(Clone)]
pub struct Select<'a> {
    operations: Vec<Numbered<'a>>,
    next: usize,
    is_biased: bool,
}

impl<'a> Select<'a> {
    /// Creates an empty list of operations.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut select = leno::channel::Select::new();
    /// assert!(select.try_ready().is_err());
    /// ```
    #[must_use]
    pub fn new() -> Select<'a> {
        Select { operations: Vec::new(), next: 0, is_biased: false }
    }

    /// Creates a list as [`new`](Select::new), but of several operations that can proceed, the one
    /// that was added first is selected.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// sender.send(1).unwrap();
    /// let mut select = Select::new_biased();
    /// select.recv(&receiver);
    /// select.send(&sender);
    /// assert_eq!(select.ready(), 0);
    /// ```
    #[must_use]
    pub fn new_biased() -> Select<'a> {
        Select { is_biased: true, ..Select::new() }
    }

    /// Adds a send, and returns the number of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// assert_eq!(select.recv(&receiver), 0);
    /// assert_eq!(select.send(&sender), 1);
    /// ```
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(Choice::Channel(sender))
    }

    /// Adds a receive, and returns the number of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// assert_eq!(select.recv(&receiver), 0);
    /// assert_eq!(select.send(&sender), 1);
    /// ```
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(Choice::Channel(receiver))
    }

    /// Adds an operation, and returns its number.
    pub(crate) fn add(&mut self, operation: Choice<'a>) -> usize {
        let index = self.next;
        self.next += 1;
        self.operations.push((index, operation));
        index
    }

    /// Removes the operation with this number. The others keep their numbers. Takes time in
    /// proportion to the number of operations.
    ///
    /// # Panics
    ///
    /// If no operation has this number.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// let (received, _sent) = (select.recv(&receiver), select.send(&sender));
    /// select.remove(received);
    /// assert_eq!(select.ready(), 1);
    /// ```
    #[track_caller]
    pub fn remove(&mut self, index: usize) {
        let place = self.operations.iter().position(|(other, _)| *other == index);
        let Some(place) = place else {
            panic!("the select has no operation number {index}: none was added, or it was removed")
        };
        self.operations.remove(place);
    }

    /// Waits until an operation can proceed, and selects it.
    ///
    /// Takes time in proportion to the number of operations; a wait allocates.
    ///
    /// # Panics
    ///
    /// If there are no operations, or if it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, no operation has been performed.
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
    /// let selected = select.select();
    /// assert_eq!(selected.index(), 0);
    /// assert_eq!(selected.recv(&receiver), Ok('a'));
    /// ```
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        let search = self.search("Select::select", Deadline::Never, true);
        search.select(&self.operations).expect("a select without a deadline does not give up")
    }

    /// Selects an operation that can proceed at once.
    ///
    /// # Errors
    ///
    /// If every operation would have to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (_sender, receiver) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.try_select().is_err());
    /// ```
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        let search = self.search("Select::try_select", Deadline::Now, true);
        search.select(&self.operations).ok_or(TrySelectError)
    }

    /// Waits as [`select`](Select::select), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`select`](Select::select).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = unbounded::<u8>();
    ///     let mut select = Select::new();
    ///     select.recv(&receiver);
    ///     assert!(select.select_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        let search = self.search("Select::select_timeout", Deadline::After(timeout), true);
        search.select(&self.operations).ok_or(SelectTimeoutError)
    }

    /// Waits as [`select`](Select::select), but until `deadline`.
    ///
    /// # Errors
    ///
    /// If the deadline has passed.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`select`](Select::select).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    /// use leno::time::Instant;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = unbounded::<u8>();
    ///     let mut select = Select::new();
    ///     select.recv(&receiver);
    ///     assert!(select.select_deadline(Instant::now()).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        let search = self.search("Select::select_deadline", Deadline::At(deadline), true);
        search.select(&self.operations).ok_or(SelectTimeoutError)
    }

    /// Waits until an operation can proceed, and returns its number.
    ///
    /// The operation is ready at the return. Threads that run later can take the message or
    /// the room. On a channel without a buffer, a `Select` that waits at the other end makes an
    /// operation ready, unless it waits in `ready` itself.
    ///
    /// # Panics
    ///
    /// As [`select`](Select::select).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
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
    /// assert_eq!(select.ready(), 0);
    /// ```
    #[track_caller]
    pub fn ready(&mut self) -> usize {
        let search = self.search("Select::ready", Deadline::Never, false);
        search.find(&self.operations).expect("a select without a deadline does not give up").0.0
    }

    /// Returns the number of an operation that can proceed at once; see
    /// [`ready`](Select::ready).
    ///
    /// # Errors
    ///
    /// If every operation would have to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    ///
    /// let (_sender, receiver) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.try_ready().is_err());
    /// ```
    #[track_caller]
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        let search = self.search("Select::try_ready", Deadline::Now, false);
        search.find(&self.operations).map(|((index, _), _)| index).ok_or(TryReadyError)
    }

    /// Waits as [`ready`](Select::ready), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = unbounded::<u8>();
    ///     let mut select = Select::new();
    ///     select.recv(&receiver);
    ///     assert!(select.ready_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        let search = self.search("Select::ready_timeout", Deadline::After(timeout), false);
        search.find(&self.operations).map(|((index, _), _)| index).ok_or(ReadyTimeoutError)
    }

    /// Waits as [`ready`](Select::ready), but until `deadline`.
    ///
    /// # Errors
    ///
    /// If the deadline has passed.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, unbounded};
    /// use leno::time::Instant;
    ///
    /// leno::run(|| {
    ///     let (_sender, receiver) = unbounded::<u8>();
    ///     let mut select = Select::new();
    ///     select.recv(&receiver);
    ///     assert!(select.ready_deadline(Instant::now()).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        let search = self.search("Select::ready_deadline", Deadline::At(deadline), false);
        search.find(&self.operations).map(|((index, _), _)| index).ok_or(ReadyTimeoutError)
    }

    /// Returns a search for one of the operations.
    #[inline]
    fn search(&self, function: &'static str, deadline: Deadline, commits: bool) -> Search {
        Search { function, deadline, commits, is_biased: self.is_biased }
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
