//! Directed runs on a runtime that is used again: for the executions of an
//! exploration, and for the next exploration.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::clock::{Clock, VIRTUAL_START};
use super::control::Control;
use super::directed::{Cut, Done};
use super::director::{Director, Wants};
use super::embed::Runtime;
use super::hooks::hook;
use super::policy::{Policy, Random};
use super::scheduler::{SWITCHES_BETWEEN_POLLS, Scheduler, chore};
use super::stopped::Stopped;
use super::track::Track;

impl Runtime {
    /// A runtime for runs that `director` directs, along `track`.
    pub(crate) fn directed(
        director: Rc<RefCell<dyn Director>>,
        track: Rc<RefCell<Track>>,
        stack_bytes: Option<usize>,
    ) -> Runtime {
        let runtime = Runtime::with(Clock::simulated(), Policy::fifo(), stack_bytes);
        let _ = runtime.scheduler.directed.director.set(director);
        let _ = runtime.scheduler.directed.track.set(track);
        runtime
    }

    /// Runs `f` as the main green thread, as if this runtime had just been made.
    ///
    /// # Errors
    ///
    /// Says why `f` has not returned, or why the run has failed since.
    pub(crate) fn run_directed(&self, wants: Wants, f: &mut dyn FnMut()) -> Result<(), Cut> {
        self.scheduler.begin_directed(wants);
        // A handle of the main green thread may have been used since the last run.
        self.main.token.set(false);
        self.main.forget_unwinding(&self.scheduler);
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.run(f)));
        self.scheduler.end_directed();
        result.map_err(
            |payload| {
                if payload.is::<Stopped>() { Cut::Stopped } else { Cut::Panicked(payload) }
            },
        )
    }

    /// Returns `true` if nothing is left of the last run.
    pub(crate) fn is_as_new(&self) -> bool {
        self.scheduler.outside.inbox.get().is_none()
    }

    /// Returns `true` if nothing outside knows this runtime (no handle, timeline or
    /// watchdog), and nothing in it has room for more than `most` entries.
    pub(crate) fn may_be_left(&self, most: usize) -> bool {
        let scheduler = &self.scheduler;
        #[cfg(feature = "debug")]
        if !scheduler.watchers.is_empty() {
            return false;
        }
        let queues = scheduler.queue.capacity().max(scheduler.watched.capacity());
        self.is_as_new()
            && scheduler.hooks.get() == hook::OUTSIDE
            && queues.max(scheduler.threads.borrow().capacity()) <= most
            && scheduler.timers.borrow().room() <= most
    }

    /// Makes another runtime of this one, for another exploration: one whose green
    /// threads are equal to none of those before, and whose main green thread is reached
    /// by no handle from before.
    pub(crate) fn renew(&mut self) {
        self.main.forget_unwinding(&self.scheduler);
        self.main.retire();
        self.scheduler.forget(self.main.number());
        self.scheduler.take_new_serial();
        *self.main = Control::main(&self.scheduler);
        self.scheduler.main.set(&raw const *self.main);
    }
}

impl Scheduler {
    fn begin_directed(&self, wants: Wants) {
        static EXECUTIONS: AtomicU32 = AtomicU32::new(1);
        let directed = &self.directed;
        directed.wants.set(wants);
        let is_traced = self.hooks.get() & hook::TRACE != 0;
        directed.is_plain.set(!wants.suspensions && !wants.time && !is_traced);
        directed.is_quiet.set(directed.is_plain.get() && !wants.yields);
        directed.done.set(Done::Nothing);
        directed.is_apart.set(false);
        directed.objects.set(0);
        directed.last_spawned.set(1);
        directed.stopped.begin();
        self.last_number.set(1);
        self.last_scope.set(0);
        self.random.replace(Random::new(0));
        if let Clock::Virtual(now) = &self.clock {
            now.set(VIRTUAL_START);
        }
        self.coarse.set(self.clock.coarse_now());
        // A yield looks there when to poll, and must not do so each time.
        self.queue.skip_a_poll::<SWITCHES_BETWEEN_POLLS>();
        self.set_hooks(hook::DIRECTED, true);
        if wants.operations || wants.preemption {
            // Only operations are told of the objects that were made.
            directed.made.borrow_mut().clear();
            directed.execution.set(EXECUTIONS.fetch_add(1, Ordering::Relaxed));
            self.add_chore(chore::OPERATIONS);
        }
    }

    fn end_directed(&self) {
        self.set_hooks(hook::DIRECTED, false);
        self.directed.take_the_long_way();
        self.chores.set(self.chores.get() & !chore::OPERATIONS);
    }
}
