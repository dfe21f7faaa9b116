//! What a select waits for besides channels: ends of green threads, and sockets and other
//! descriptors that become ready.
//!
//! Such an alternative only tells that a call would not wait, and the call itself comes after the
//! select. So a select that ends in another way has taken nothing.

use std::cell::Cell;

use super::readiness::{Choice, Operation, Watching};
use super::select::Select;
use super::select_macro::{Case, Round, Tried};
use crate::access::Part;
#[cfg(feature = "net")]
use crate::driver::io::{Direction, Readiness, count_waits};
use crate::kernel::{Alternative, Listed, Outcome, Scheduler, WaitFor};
use crate::runtime::End;

/// A join handle: a select can wait for the end of its green thread. Implemented by
/// [`JoinHandle`](crate::thread::JoinHandle) and
/// [`ScopedJoinHandle`](crate::thread::ScopedJoinHandle), and by nothing outside leno.
///
/// # Examples
///
/// See [`Select::join`].
pub trait Join {
    #[doc(hidden)]
    #[track_caller]
    fn end(&self) -> End<'_>;
}

impl<T: Join + ?Sized> Join for &T {
    fn end(&self) -> End<'_> {
        (**self).end()
    }
}

/// A socket or another descriptor: a select can wait until it is ready. Implemented by the
/// sockets of [`leno::net`](crate::net) and [`leno::os::unix::net`](crate::os::unix::net), by
/// [`Watched`](crate::io::Watched), and by nothing outside leno.
///
/// # Examples
///
/// A server that answers until it is told to stop:
///
/// ```
/// use leno::channel::bounded;
/// use leno::os::unix::net::UnixStream;
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let (mut client, mut stream) = UnixStream::pair()?;
///     let (stop, stopped) = bounded::<()>(0);
///     let server = leno::spawn(move || {
///         let (mut buffer, mut bytes) = ([0; 64], 0);
///         loop {
///             leno::select! {
///                 recv(stopped) -> _ => break std::io::Result::Ok(bytes),
///                 readable(stream) => {
///                     let count = stream.read(&mut buffer)?;
///                     stream.write_all(&buffer[..count])?;
///                     bytes += count;
///                 }
///             }
///         }
///     });
///     client.write_all(b"hello")?;
///     client.read_exact(&mut [0; 5])?;
///     drop(stop);
///     let bytes = leno::select! {
///         join(server) -> result => result.unwrap()?,
///         default(leno::time::Duration::from_secs(60)) => unreachable!(),
///     };
///     assert_eq!(bytes, 5);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[cfg(feature = "net")]
pub trait Ready {
    #[doc(hidden)]
    fn readiness(&self, direction: Direction) -> Readiness<'_>;
}

#[cfg(feature = "net")]
impl<T: Ready + ?Sized> Ready for &T {
    fn readiness(&self, direction: Direction) -> Readiness<'_> {
        (**self).readiness(direction)
    }
}

impl<'a> Select<'a> {
    /// Adds the end of a green thread, and returns the number of the operation.
    ///
    /// The operation can proceed once the thread has ended. `join` does not wait then. There is
    /// nothing to complete: [`SelectedOperation`](super::SelectedOperation) may be dropped.
    ///
    /// # Panics
    ///
    /// If the result has been awaited already.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::Select;
    ///
    /// leno::run(|| {
    ///     let mut handles = vec![leno::spawn(leno::thread::park), leno::spawn(|| ())];
    ///     let mut select = Select::new();
    ///     for handle in &handles {
    ///         select.join(handle);
    ///     }
    ///     let first = select.ready();
    ///     assert_eq!(first, 1);
    ///     handles.remove(first).join().unwrap();
    ///     handles[0].thread().unpark();
    /// });
    /// ```
    #[track_caller]
    pub fn join(&mut self, handle: &'a impl Join) -> usize {
        self.add(Choice::End(handle.end()))
    }

    /// Adds a read from a socket or another descriptor, and returns the number of the operation.
    ///
    /// The operation can proceed if a read, an accept or a receive would not wait: there is something
    /// to read, the end, or an error. The call comes after the select, and another thread may be
    /// faster: then it waits. Of several selects that wait for one socket, a report wakes all. There is
    /// nothing to complete: [`SelectedOperation`](super::SelectedOperation) may be dropped.
    ///
    /// Where the system refuses to report the descriptor, and in an exploration without a network, the
    /// operation can proceed: the call tells the error. Each select looks at the descriptor, with a system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::{Select, bounded};
    /// use leno::net::UdpSocket;
    ///
    /// leno::run(|| {
    ///     let socket = UdpSocket::bind("127.0.0.1:0")?;
    ///     let (_stop, stopped) = bounded::<()>(0);
    ///     let address = socket.local_addr()?;
    ///     leno::spawn(move || UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", address));
    ///     let mut select = Select::new();
    ///     select.recv(&stopped);
    ///     let received = select.readable(&socket);
    ///     assert_eq!(select.ready(), received);
    ///     assert_eq!(socket.recv(&mut [0; 10])?, 5);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(feature = "net")]
    pub fn readable(&mut self, io: &'a impl Ready) -> usize {
        self.add(Choice::Readiness(io.readiness(Direction::Read)))
    }

    /// Adds a write to a socket or another descriptor, as [`readable`](Select::readable) adds a read.
    /// It can proceed if there is room, or an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::channel::Select;
    /// use leno::os::unix::net::UnixStream;
    ///
    /// leno::run(|| {
    ///     let (stream, _other) = UnixStream::pair()?;
    ///     let mut select = Select::new();
    ///     let (read, write) = (select.readable(&stream), select.writable(&stream));
    ///     assert_ne!(read, write);
    ///     assert_eq!(select.ready(), write);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(feature = "net")]
    pub fn writable(&mut self, io: &'a impl Ready) -> usize {
        self.add(Choice::Readiness(io.readiness(Direction::Write)))
    }
}

impl Operation for End<'_> {
    fn is_ready(&self, _begun: Part<'_>) -> bool {
        self.has_come()
    }

    fn watching(&self, _scheduler: &Scheduler, _begun: Part<'_>) -> Watching<'_> {
        Watching::Event(self.selects())
    }

    fn has_woken(&self, _scheduler: &Scheduler) -> bool {
        self.has_been_awaited();
        true
    }

    fn wait_for(&self) -> WaitFor<'_> {
        End::wait_for(*self)
    }
}

#[cfg(feature = "net")]
impl Operation for Readiness<'_> {
    fn look(&self) {
        Readiness::look(self);
    }

    fn is_ready(&self, _begun: Part<'_>) -> bool {
        Readiness::is_ready(self)
    }

    fn watching(&self, scheduler: &Scheduler, _begun: Part<'_>) -> Watching<'_> {
        count_waits(scheduler, 1);
        match self.enroll_with_limit(scheduler) {
            Ok(true) => Watching::Remote,
            Ok(false) => self.waiting(scheduler).map_or(Watching::Refused, Watching::Event),
            Err(_) => Watching::Refused,
        }
    }

    fn has_watched(&self, scheduler: &Scheduler) {
        count_waits(scheduler, -1);
        self.leave_limit(scheduler);
    }

    fn has_woken(&self, scheduler: &Scheduler) -> bool {
        // mistake: late-report-chosen
        let is_ready = self.is_still_ready();
        // mistake: select-keeps-turn
        self.hand_on(scheduler);
        is_ready
    }

    fn wait_for(&self) -> WaitFor<'_> {
        Readiness::wait_for(self)
    }
}

/// A case of a `select!` that only tells that a call would not wait.
pub struct EventCase<O> {
    operation: O,
    is_chosen: Cell<bool>,
}

/// Creates the case `join(handle)`.
#[track_caller]
pub fn join<'a>(handle: &'a impl Join) -> EventCase<End<'a>> {
    EventCase { operation: handle.end(), is_chosen: Cell::new(false) }
}

/// Creates the case `readable(io)`.
#[cfg(feature = "net")]
pub fn readable<'a>(io: &'a impl Ready) -> EventCase<Readiness<'a>> {
    EventCase { operation: io.readiness(Direction::Read), is_chosen: Cell::new(false) }
}

/// Creates the case `writable(io)`.
#[cfg(feature = "net")]
pub fn writable<'a>(io: &'a impl Ready) -> EventCase<Readiness<'a>> {
    EventCase { operation: io.readiness(Direction::Write), is_chosen: Cell::new(false) }
}

impl<O> EventCase<O> {
    /// Returns a value if this case was chosen.
    pub fn take(&self) -> Option<()> {
        self.is_chosen.take().then_some(())
    }
}

impl<O: Operation> Case for EventCase<O> {
    fn alternative(&self) -> Alternative<'_> {
        Alternative(self.operation.wait_for())
    }

    fn is_ready(&self, begun: Part<'_>) -> bool {
        self.operation.look();
        self.operation.is_ready(begun)
    }

    fn try_now(&self, begun: Part<'_>) -> Option<Tried> {
        self.is_chosen.set(Case::is_ready(self, begun));
        self.is_chosen.get().then_some(Tried::Performed)
    }

    fn enroll(&self, round: &Round<'_>, place: usize, others: Option<&Listed<'_>>) -> Outcome {
        let (scheduler, operation) = (round.scheduler(), &self.operation);
        let listed = round.listed(place, self.alternative(), others);
        let outcome = match operation.watching(scheduler, round.part()) {
            Watching::Event(queue) => {
                let go_on = || round.go_on(place + 1, Some(&listed));
                let waited = queue.enrolled(scheduler, None, go_on);
                // Otherwise all cases are tried again.
                let is_chosen = waited.is_chosen && operation.has_woken(scheduler);
                round.ended(place, is_chosen);
                waited.result
            }
            // All cases are tried again.
            Watching::Remote => round.go_on(place + 1, Some(&listed)),
            _ => {
                round.ended(place, true);
                Outcome::Woken
            }
        };
        operation.has_watched(scheduler);
        outcome
    }

    fn chosen(&self) {
        self.is_chosen.set(true);
    }
}
