//! The limit of a listener: how many of the connections that it has accepted may be open at once.
//!
//! A thread takes a permit before it accepts, and the connection keeps it until its descriptor has been
//! closed or given up. Threads that wait for a permit are in a queue, in the order in which they came. The
//! first stays there until it takes a permit or gives up, and none overtakes it. Whatever makes room, or
//! makes another thread the first, wakes the first: so no permit is free beside a thread that sleeps for it.
//! Any OS thread may use it.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::{Call, Operation};
use super::memory::delivery::touch_listeners;
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, Wait, WaitFor, try_scheduler};
use crate::remote::waiter::{self, Waiter};
use crate::sys::socket::would_block;
use crate::timer::{deadline_after, now};

/// The limit of a listener.
pub(crate) struct Limit(Mutex<State>);

struct State {
    most: usize,
    /// The number of permits that are taken.
    open: usize,
    /// The number that the last thread in the queue got.
    last: u64,
    waiting: VecDeque<Waiting>,
}

/// A thread in the queue.
struct Waiting {
    number: u64,
    /// `None` once it has been woken.
    waiter: Option<Waiter>,
}

impl State {
    /// Returns `true` if a thread may take a permit that has this place in the queue, or none.
    fn is_turn(&self, number: Option<u64>) -> bool {
        // mistake: limit-overtaken
        let is_first = self.waiting.front().is_none_or(|first| Some(first.number) == number);
        // mistake: limit-exceeded
        let has_room = self.open < self.most;
        is_first && has_room
    }

    /// Takes a permit if it is the turn of this thread, which leaves the queue then.
    fn take(&mut self, number: Option<u64>) -> bool {
        let takes = self.is_turn(number);
        if takes {
            self.open += 1;
            self.leave(number);
        }
        takes
    }

    /// Adds a thread to the queue, or makes it await another wake.
    fn enroll(&mut self, number: &Cell<Option<u64>>, waiter: Waiter) {
        let waiter = Some(waiter);
        match self.waiting.iter_mut().find(|it| Some(it.number) == number.get()) {
            Some(waiting) => waiting.waiter = waiter,
            None => {
                self.last += 1;
                number.set(Some(self.last));
                self.waiting.push_back(Waiting { number: self.last, waiter });
            }
        }
    }

    fn leave(&mut self, number: Option<u64>) {
        self.waiting.retain(|waiting| Some(waiting.number) != number);
    }
}

impl Limit {
    pub(super) fn new(most: usize) -> Limit {
        Limit(Mutex::new(State { most, open: 0, last: 0, waiting: VecDeque::new() }))
    }

    /// Locks the state. No code of the program runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` with the state. Then wakes the first thread in the queue if it may go on.
    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = f(&mut state);
        let has_room = state.open < state.most;
        let first = state.waiting.front_mut().filter(|_| has_room);
        let woken = first.and_then(|first| first.waiter.take());
        drop(state);
        // mistake: limit-sleeps
        woken.into_iter().for_each(Waiter::wake);
        result
    }

    pub(super) fn set_most(&self, most: usize) {
        self.change(|state| state.most = most);
    }

    pub(super) fn most(&self) -> usize {
        self.lock().most
    }

    /// Takes a permit for a call that accepts. Waits until one is free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`], if the call does not wait, or not for longer. If it waits, and the
    /// system has no more descriptors.
    pub(super) fn acquire(self: &Arc<Limit>, call: &Call<'_>) -> io::Result<Permit> {
        let scheduler = try_scheduler();
        touch(scheduler, Some(call.at));
        if self.change(|state| state.take(None)) {
            return Ok(Permit(self.clone()));
        }
        if call.is_nonblocking {
            return Err(would_block());
        }
        self.wait(scheduler, call)?;
        Ok(Permit(self.clone()))
    }

    /// Waits until a permit is free, and takes it.
    fn wait(&self, scheduler: Option<&Scheduler>, call: &Call<'_>) -> io::Result<()> {
        let limited = Limited { limit: self, listener: call.object };
        let external = Operation::PERMIT.on(&limited, call.subject).ended_by_message();
        let reason = Wait::at(WaitFor::External(&external), call.at);
        let deadline = call.timeout.and_then(|timeout| match scheduler {
            Some(scheduler) => deadline_after(scheduler, timeout),
            None => now().checked_add(u64::try_from(timeout.as_nanos()).ok()?),
        });
        let place = Place { limit: self, number: Cell::new(None) };
        loop {
            // A cancellation that came after a wake is pending, and would end no further wait.
            scheduler.inspect(|scheduler| scheduler.checkpoint());
            let waiter = Waiter::try_of(scheduler)?;
            let takes = self.change(|state| {
                let takes = state.take(place.number.get());
                if !takes {
                    state.enroll(&place.number, waiter);
                }
                takes
            });
            if takes {
                place.number.set(None);
                return Ok(());
            }
            let outcome = match scheduler {
                // Its connections are in this runtime: nothing outside closes one.
                Some(scheduler) if call.subject.in_memory().is_some() => {
                    scheduler.block(&reason, deadline)
                }
                scheduler => waiter::wait(scheduler, &reason, deadline),
            };
            match outcome {
                Outcome::Woken => touch(scheduler, Some(call.at)),
                Outcome::Elapsed => return Err(would_block()),
                Outcome::Interrupted => interrupted(),
            }
        }
    }

    /// Counts a connection that was accepted before there was a limit, also above the limit.
    pub(super) fn count(self: &Arc<Limit>) -> Permit {
        self.change(|state| state.open += 1);
        Permit(self.clone())
    }

    /// Returns `true` if a thread would get a permit at once that has this place in the queue, or none.
    pub(super) fn is_turn(&self, number: Option<u64>) -> bool {
        self.lock().is_turn(number)
    }

    /// Adds a select to the queue, unless it is its turn.
    ///
    /// # Errors
    ///
    /// If the system has no more descriptors.
    pub(super) fn enroll(
        &self,
        scheduler: &Scheduler,
        number: &Cell<Option<u64>>,
    ) -> io::Result<bool> {
        let waiter = Waiter::try_of(Some(scheduler))?;
        let waits = self.change(|state| {
            let waits = !state.is_turn(number.get());
            if waits {
                state.enroll(number, waiter);
            }
            waits
        });
        Ok(waits)
    }

    /// Takes a thread out of the queue.
    pub(super) fn leave(&self, number: Option<u64>) {
        touch(try_scheduler(), None);
        self.change(|state| state.leave(number));
    }
}

/// Tells an exploration that the current thread is about to use the limit.
fn touch(scheduler: Option<&Scheduler>, at: Option<&'static Location<'static>>) {
    if let Some(scheduler) = scheduler {
        touch_listeners(scheduler, "accept", at);
    }
}

/// The right to an open connection.
pub(super) struct Permit(Arc<Limit>);

impl Drop for Permit {
    fn drop(&mut self) {
        touch(try_scheduler(), None);
        // mistake: permit-kept
        self.0.change(|state| state.open -= 1);
    }
}

/// The place in the queue of a thread that waits, which it leaves however the wait ends.
struct Place<'a> {
    limit: &'a Limit,
    number: Cell<Option<u64>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let number @ Some(_) = self.number.get() {
            // mistake: limit-queue-kept
            self.limit.leave(number);
        }
    }
}

/// The connections of a listener, in the words of reports.
struct Limited<'a> {
    limit: &'a Limit,
    listener: &'a dyn fmt::Display,
}

impl fmt::Display for Limited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.limit.most();
        let connections = if most == 1 { "connection" } else { "connections" };
        write!(f, "{most} {connections} of {}", self.listener)
    }
}
