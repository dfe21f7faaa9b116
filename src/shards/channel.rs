//! A channel between runtimes, as its ends share it: how a thread waits at either end.

use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;

use super::queue::{Queue, Ticket, Unreceived, Unsent, Wake};
use crate::cancel::interrupted;
use crate::channel::{Deadline, RecvTimeoutError, SendTimeoutError};
use crate::kernel::{External, Outcome, Scheduler, Wait, WaitFor, try_scheduler};
use crate::remote::waiter::{self, Waiter};
use crate::timer::{now, refresh};

/// What both ends share.
pub(super) struct Channel<T> {
    pub(super) queue: Queue<T, Waiter>,
    made_at: &'static Location<'static>,
    /// For reports.
    name: OnceLock<Box<str>>,
}

impl Wake for Waiter {
    fn wake(self) {
        Waiter::wake(self);
    }
}

/// Begins an operation. A cancellation point. Returns the scheduler, if the caller runs in a runtime.
///
/// # Panics
///
/// In an exploration, which cannot know what other OS threads do.
#[inline]
#[track_caller]
pub(super) fn begin(function: &'static str) -> Option<&'static Scheduler> {
    let scheduler = try_scheduler()?;
    assert!(
        !scheduler.is_controlled(),
        "{function} was called in an exploration, which cannot control other OS threads; use \
         leno::channel between green threads of one runtime"
    );
    scheduler.checkpoint();
    Some(scheduler)
}

/// Returns the moment of a deadline. Outside a runtime, it is one of the system's clock.
fn moment(scheduler: Option<&Scheduler>, deadline: Deadline) -> Option<u64> {
    match (scheduler, deadline) {
        (Some(scheduler), deadline) => deadline.moment(scheduler),
        (None, Deadline::Now) => Some(0),
        (None, Deadline::Never) => None,
        (None, Deadline::At(moment)) => Some(moment.nanos()),
        (None, Deadline::After(duration)) => {
            now().checked_add(u64::try_from(duration.as_nanos()).ok()?)
        }
    }
}

/// Returns `true` at most ten times, later each time, if the OS thread has nothing else to do. The other side
/// is often faster than a sleep of the OS thread and the system call that ends it, some 10 microseconds.
fn spins(scheduler: Option<&Scheduler>, spins: &mut u32) -> bool {
    const BUSY: u32 = 6;
    const ALL: u32 = 10;
    let is_idle = scheduler.is_none_or(|scheduler| scheduler.ready().is_empty());
    if *spins == ALL || !is_idle {
        return false;
    }
    if *spins <= BUSY {
        (0..1 << *spins).for_each(|_| std::hint::spin_loop());
    } else {
        std::thread::yield_now();
    }
    *spins += 1;
    true
}

/// Reads the clock again, since the thread is going to wait until the same deadline.
fn now_again(scheduler: Option<&Scheduler>) {
    if let Some(scheduler) = scheduler {
        refresh(scheduler);
    }
}

/// Makes an operation by `attempt` until it returns a result, and waits in between. Returns `None` if the
/// deadline has elapsed. `attempt` is given the ticket of the attempt before, and enrolls the waiter if the
/// operation cannot proceed. A thread that is unwound gives its ticket to `leave`.
#[track_caller]
fn wait<R>(
    scheduler: Option<&Scheduler>,
    external: &External<'_>,
    deadline: Deadline,
    mut attempt: impl FnMut(&mut Option<Ticket>, Option<Waiter>) -> Option<R>,
    leave: impl FnOnce(Option<Ticket>),
) -> Option<R> {
    let wait = Wait::new(WaitFor::External(external));
    let deadline = moment(scheduler, deadline);
    let mut ticket = None;
    let (mut is_over, mut spun) = (false, 0);
    loop {
        let spins = deadline != Some(0) && spins(scheduler, &mut spun);
        let waiter = (!is_over && !spins).then(|| Waiter::of(scheduler));
        let result = attempt(&mut ticket, waiter);
        if result.is_some() || is_over {
            return result;
        }
        if spins {
            continue;
        }
        match waiter::wait(scheduler, &wait, deadline) {
            Outcome::Woken => now_again(scheduler),
            Outcome::Elapsed => is_over = true,
            Outcome::Interrupted => {
                leave(ticket);
                interrupted();
            }
        }
    }
}

impl<T> Channel<T> {
    #[track_caller]
    pub(super) fn new(capacity: usize) -> Channel<T> {
        let made_at = Location::caller();
        Channel { queue: Queue::new(capacity), made_at, name: OnceLock::new() }
    }

    /// Returns what a thread waits for that wants to send.
    pub(super) fn room(&self) -> External<'_> {
        External::by_message("sends", "room in", self)
    }

    /// Returns what a thread waits for that wants to receive.
    pub(super) fn message(&self) -> External<'_> {
        External::by_message("receives", "a message from", self)
    }

    #[inline]
    #[track_caller]
    pub(super) fn send(
        &self,
        function: &'static str,
        message: T,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError<T>> {
        let scheduler = begin(function);
        match self.queue.send(message, &mut None, || None) {
            Ok(()) => Ok(()),
            Err(Unsent::Disconnected(message)) => Err(SendTimeoutError::Disconnected(message)),
            Err(Unsent::Full(message)) => self.wait_to_send(scheduler, message, deadline),
        }
    }

    #[inline]
    #[track_caller]
    pub(super) fn recv(
        &self,
        function: &'static str,
        deadline: Deadline,
    ) -> Result<T, RecvTimeoutError> {
        let scheduler = begin(function);
        match self.queue.recv(&mut None, || None) {
            Ok(message) => Ok(message),
            Err(Unreceived::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(Unreceived::Empty) => self.wait_to_receive(scheduler, deadline),
        }
    }

    #[track_caller]
    fn wait_to_send(
        &self,
        scheduler: Option<&Scheduler>,
        message: T,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError<T>> {
        let mut unsent = Some(message);
        let send = |ticket: &mut _, waiter| {
            let result = match self.queue.send(unsent.take()?, ticket, || waiter) {
                Ok(()) => Ok(()),
                Err(Unsent::Disconnected(it)) => Err(SendTimeoutError::Disconnected(it)),
                Err(Unsent::Full(it)) => {
                    unsent = Some(it);
                    return None;
                }
            };
            Some(result)
        };
        let leave = |ticket| {
            // mistake: shards-keep-room
            self.queue.leave_sending(ticket);
        };
        let sent = wait(scheduler, &self.room(), deadline, send, leave);
        sent.unwrap_or_else(|| {
            let message = unsent.expect("a message that is not sent is kept");
            Err(SendTimeoutError::Timeout(message))
        })
    }

    #[track_caller]
    fn wait_to_receive(
        &self,
        scheduler: Option<&Scheduler>,
        deadline: Deadline,
    ) -> Result<T, RecvTimeoutError> {
        let receive = |ticket: &mut _, waiter| match self.queue.recv(ticket, || waiter) {
            Ok(message) => Some(Ok(message)),
            Err(Unreceived::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
            Err(Unreceived::Empty) => None,
        };
        let leave = |ticket| {
            // mistake: shards-keep-wake
            // mistake: shards-message-lost
            self.queue.leave_receiving(ticket);
        };
        let received = wait(scheduler, &self.message(), deadline, receive, leave);
        received.unwrap_or(Err(RecvTimeoutError::Timeout))
    }

    pub(super) fn set_name(&self, name: String) {
        let _ = self.name.set(name.into_boxed_str());
    }
}

impl<T> fmt::Display for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.get() {
            Some(name) => write!(f, "channel between runtimes '{name}'"),
            None => write!(f, "a channel between runtimes (made at {})", self.made_at),
        }
    }
}
