//! The lock of a standard stream: for green threads of all runtimes, and for OS threads without one.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::cancel::interrupted;
use crate::driver::io::standard::Standard;
use crate::kernel::{External, Outcome, Scheduler, ThreadId, Wait, WaitFor};
use crate::remote::waiter::{self, Waiter};

/// A lock that is handed to the threads in the order in which they came. A thread may hold it several times.
pub(super) struct Turns(Mutex<State>);

struct State {
    owner: Option<Owner>,
    /// How often the owner holds it.
    depth: usize,
    waiting: VecDeque<(Owner, Waiter)>,
}

/// A thread: a green one, with the number of its runtime, or one of the operating system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Green(u64, ThreadId),
    Os(thread::ThreadId),
}

impl Owner {
    fn current(scheduler: Option<&Scheduler>) -> Owner {
        match scheduler {
            Some(scheduler) => Owner::Green(scheduler.serial(), scheduler.current().info().id()),
            None => Owner::Os(thread::current().id()),
        }
    }
}

impl Turns {
    pub(super) const fn new() -> Turns {
        Turns(Mutex::new(State { owner: None, depth: 0, waiting: VecDeque::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of the current thread. Returns how often the thread holds the lock of `stream`.
    pub(super) fn begin(
        &self,
        scheduler: Option<&Scheduler>,
        stream: &Standard,
        at: &'static Location<'static>,
    ) -> usize {
        let me = Owner::current(scheduler);
        let mut state = self.state();
        if state.owner == Some(me) {
            state.depth += 1;
            return state.depth;
        }
        // mistake: lock-taken-twice
        if state.owner.is_none() {
            (state.owner, state.depth) = (Some(me), 1);
            return 1;
        }
        drop(state);
        let waiter = Waiter::of(scheduler);
        let mut state = self.state();
        if state.owner.is_none() {
            (state.owner, state.depth) = (Some(me), 1);
            return 1;
        }
        state.waiting.push_back((me, waiter));
        drop(state);
        let external = External::by_message(stream.verb(), "the lock of", &stream.name);
        let reason = Wait::at(WaitFor::External(&external), at);
        loop {
            let outcome = waiter::wait(scheduler, &reason, None);
            let mut state = self.state();
            // The turn wins: a cancellation comes later.
            if state.owner == Some(me) {
                return state.depth;
            }
            if outcome == Outcome::Interrupted {
                state.waiting.retain(|(owner, _)| *owner != me);
                drop(state);
                interrupted();
            }
        }
    }

    /// Ends the turn of the current thread, if it holds the lock no more often.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.depth -= 1;
        if state.depth > 0 {
            return;
        }
        let next = state.waiting.pop_front();
        state.owner = next.as_ref().map(|(owner, _)| *owner);
        state.depth = usize::from(next.is_some());
        drop(state);
        if let Some((_, waiter)) = next {
            waiter.wake();
        }
    }
}
