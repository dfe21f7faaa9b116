//! The loop of a call on a socket: try, wait, try again.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::time::Duration;

use super::direction::{Direction, Drained};
use super::engine::Target;
use super::handle::Handle;
use super::memory::socket::MemorySocket;
use super::source::Side;
use super::sources::Sources;
use super::{begin, refuse_if_controlled, wait};
use crate::cancel::interrupted;
use crate::kernel::{External, Outcome, Scheduler, Wait, WaitFor, try_scheduler};
use crate::sys;
use crate::sys::signal::Receiver;
use crate::sys::wakeup::Wakeup;
use crate::timer::{deadline_after, refresh};

/// A call on a descriptor, which waits while it would block.
pub(super) struct Call<'a> {
    pub(super) object: &'a dyn fmt::Display,
    pub(super) subject: Subject<'a>,
    pub(super) sources: &'a Sources,
    pub(super) operation: &'static Operation,
    /// The time after which it fails, if it has waited.
    pub(super) timeout: Option<Duration>,
    /// It fails in place of a wait.
    pub(super) is_nonblocking: bool,
    pub(super) at: &'static Location<'static>,
}

/// What a call is made on.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Socket(&'a Handle),
    /// A descriptor that leno has not made.
    Foreign(BorrowedFd<'a>),
    Signals(&'a Receiver<Wakeup>),
    /// None: the call would not wait.
    Ready,
}

impl<'a> Subject<'a> {
    pub(super) fn target(self) -> Target {
        match self {
            Subject::Socket(handle) => handle.target(),
            Subject::Foreign(_) | Subject::Signals(_) => {
                Target::Descriptor(self.descriptor().as_raw_fd())
            }
            // The system refuses it, as it does a closed descriptor.
            Subject::Ready => Target::Descriptor(-1),
        }
    }

    /// Returns the descriptor.
    ///
    /// # Panics
    ///
    /// If it is a socket in memory, or none.
    pub(super) fn descriptor(self) -> BorrowedFd<'a> {
        match self {
            Subject::Socket(handle) => handle.as_fd(),
            Subject::Foreign(descriptor) => descriptor,
            Subject::Signals(receiver) => receiver.bell().as_fd(),
            Subject::Ready => unreachable!("there is nothing to wait for"),
        }
    }

    /// Returns the socket, if it is in memory.
    #[inline]
    pub(super) fn in_memory(self) -> Option<&'a MemorySocket> {
        match self {
            Subject::Socket(Handle::Memory(socket)) => Some(socket),
            _ => None,
        }
    }
}

/// What a call does, in the words of reports.
pub(super) struct Operation {
    pub(super) direction: Direction,
    /// The verb of a story: "read".
    told: &'static str,
    verb: &'static str,
    wanted: &'static str,
}

impl Operation {
    const fn new(
        direction: Direction,
        told: &'static str,
        verb: &'static str,
        wanted: &'static str,
    ) -> Operation {
        Operation { direction, told, verb, wanted }
    }

    /// Returns the words for a wait of this operation, and the object by which an exploration knows it.
    pub(super) fn on<'a>(
        &self,
        object: &'a dyn fmt::Display,
        subject: Subject<'_>,
    ) -> External<'a> {
        let socket = subject.in_memory();
        let resource = socket.and_then(|socket| socket.resource(self.direction));
        External::new(self.verb, self.wanted, object, resource)
    }

    pub(super) fn is_read(&self) -> bool {
        self.direction == Direction::Read
    }

    pub(super) const READ: &Operation =
        &Operation::new(Direction::Read, "read", "reads", "bytes from");
    pub(super) const PEEK: &Operation =
        &Operation::new(Direction::Read, "peek", "peeks at", "bytes from");
    pub(super) const WRITE: &Operation =
        &Operation::new(Direction::Write, "write", "writes to", "room in");
    pub(super) const RECEIVE: &Operation =
        &Operation::new(Direction::Read, "receive", "receives from", "a datagram from");
    pub(super) const SEND: &Operation =
        &Operation::new(Direction::Write, "send", "sends by", "room in");
    pub(super) const ACCEPT: &Operation =
        &Operation::new(Direction::Read, "accept", "accepts from", "a connection to");
    pub(super) const PERMIT: &Operation =
        &Operation::new(Direction::Read, "accept", "awaits one of", "one of");
    pub(super) const WAIT: &Operation =
        &Operation::new(Direction::Read, "wait", "waits for", "the end of");
    pub(super) const WAIT_FOR_SIGNAL: &Operation =
        &Operation::new(Direction::Read, "wait", "waits for", "a signal:");
    pub(super) const CONNECT: &Operation =
        &Operation::new(Direction::Write, "connect", "connects", "the connection of");
}

/// The end of a call's patience.
enum Deadline {
    /// It has not waited yet.
    Unset,
    /// A moment of the clock of the runtime, or else of the system.
    At(Option<u64>),
}

/// The turn of the thread that makes a call. It is handed on if the call unwinds, as a foreign one may.
struct Turn<'a>(Option<&'a Side>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(side) = self.0 {
            // mistake: turn-kept-by-panic
            side.hand_on();
        }
    }
}

impl Call<'_> {
    /// Makes the call by `attempt` until it does not fail with [`io::ErrorKind::WouldBlock`].
    ///
    /// # Errors
    ///
    /// That of `attempt`; `WouldBlock` after the timeout.
    #[inline]
    pub(super) fn run<T>(
        &self,
        mut attempt: impl FnMut() -> io::Result<(T, Drained)>,
    ) -> io::Result<T> {
        let mut deadline = Deadline::Unset;
        let scheduler = try_scheduler();
        // A library may make a call that does not block under a lock of std. Another green thread that
        // locked it meanwhile would stop the OS thread, and an unwinding would poison it.
        // mistake: nonblocking-switches
        if self.is_nonblocking {
            refuse_if_controlled(scheduler)?;
        } else if let Some(scheduler) = scheduler {
            begin(scheduler, self.at)?;
        }
        let mut side_now = scheduler.and_then(|scheduler| {
            let source = self.sources.of(scheduler)?;
            Some(source.side(scheduler, self.operation.direction))
        });
        // Behind the threads that wait already, and not before the side is ready.
        let mut may_try = self.is_nonblocking
            // mistake: overtakes
            || side_now.is_none_or(|side| side.is_ready() && !side.is_awaited());
        loop {
            if may_try {
                let turn = Turn(side_now);
                if let Some(socket) = self.subject.in_memory() {
                    socket.touch(Some(self.operation.direction), self.operation.told, self.at);
                }
                let result = attempt();
                std::mem::forget(turn);
                match result {
                    Ok((value, drained)) => {
                        if let Some(side) = side_now {
                            if drained == Drained::Short {
                                side.is_short();
                            }
                            // mistake: turn-kept
                            side.hand_on();
                        }
                        // mistake: result-lost
                        return Ok(value);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        if let Some(side) = side_now {
                            // mistake: turn-kept-by-error
                            side.hand_on();
                        }
                        return Err(error);
                    }
                    Err(error) => {
                        if let Some(side) = side_now {
                            side.is_drained();
                        }
                        if self.is_nonblocking {
                            return Err(error);
                        }
                    }
                }
            }
            side_now = self.wait(scheduler, &mut deadline)?;
            may_try = true;
        }
    }

    /// Waits until the call may succeed. Returns the side that has become ready, in a runtime.
    #[inline(never)]
    fn wait(
        &self,
        scheduler: Option<&Scheduler>,
        deadline: &mut Deadline,
    ) -> io::Result<Option<&Side>> {
        let Some(scheduler) = scheduler else {
            return self.wait_outside(deadline).map(|()| None);
        };
        // A cancellation that came after the wake is pending, and would end no further wait.
        // mistake: cancelled-waits-again
        scheduler.checkpoint();
        let source = self.sources.of_or_add(scheduler, self.subject.target())?;
        // mistake: deadline-restarts
        let deadline = match *deadline {
            Deadline::Unset => self.timeout.and_then(|it| deadline_after(scheduler, it)),
            Deadline::At(moment) => {
                refresh(scheduler);
                moment
            }
        }
        .inspect(|&moment| *deadline = Deadline::At(Some(moment)));
        let side = source.side(scheduler, self.operation.direction);
        source.ensure_added()?;
        if side.is_ready() && !side.is_awaited() {
            // It was reported as it was added.
            return Ok(Some(side));
        }
        let external = self.operation.on(self.object, self.subject);
        let reason = Wait::at(WaitFor::External(&external), self.at);
        match wait(scheduler, side, &reason, deadline) {
            // mistake: cancelled-after-turn
            Outcome::Woken => Ok(Some(side)),
            // mistake: elapsed-drains
            Outcome::Elapsed => Err(sys::socket::would_block()),
            // mistake: interrupted-drains
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Makes a call again while it fails with an error that `passes` and no report tells the end of, at
    /// most for `patience`, with pauses. `wanted` is what the thread waits for, in the words of
    /// reports.
    ///
    /// # Errors
    ///
    /// The last error of `attempt`.
    pub(super) fn with_pauses<T>(
        &self,
        wanted: &'static str,
        patience: Option<Duration>,
        passes: fn(&io::Error) -> bool,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        const PAUSE: Duration = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        loop {
            match attempt() {
                Err(error)
                    if passes(&error)
                        && !self.is_nonblocking
                        && patience.is_none_or(|patience| waited < patience) =>
                {
                    waited += PAUSE;
                    // mistake: shortage-spins
                    self.pause(wanted, PAUSE);
                }
                result => return result,
            }
        }
    }

    #[cold]
    fn pause(&self, wanted: &'static str, pause: Duration) {
        let Some(scheduler) = try_scheduler() else { return std::thread::sleep(pause) };
        scheduler.checkpoint();
        let external = External::new(self.operation.verb, wanted, self.object, None);
        let reason = Wait::at(WaitFor::External(&external), self.at);
        if scheduler.block(&reason, deadline_after(scheduler, pause)) == Outcome::Interrupted {
            interrupted();
        }
    }

    /// Waits outside a runtime: the OS thread waits.
    fn wait_outside(&self, deadline: &mut Deadline) -> io::Result<()> {
        let now = sys::clock::now();
        let moment = match *deadline {
            Deadline::At(moment) => moment,
            Deadline::Unset => self.timeout.map(|timeout| {
                now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
            }),
        };
        *deadline = Deadline::At(moment);
        if moment.is_some_and(|moment| moment <= now) {
            return Err(sys::socket::would_block());
        }
        let nanos = moment.map(|moment| moment - now);
        sys::wakeup::wait_for(self.subject.descriptor(), self.operation.is_read(), nanos);
        Ok(())
    }
}
