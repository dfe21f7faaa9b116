//! Runtimes for controlled runs, used again for each execution of an exploration and for the
//! next exploration.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use super::controller::{Controller, EventMask};
use super::observe;
use super::path::ChoicePath;
use super::run::ControlledRun;
use super::teardown::Stopped;
use super::upcalls::CONTROLLED;
#[cfg(feature = "net")]
use crate::driver::io;
#[cfg(feature = "debug")]
use crate::inspect::debug::hog_sampler::Watched;
use crate::kernel::Payload;
use crate::kernel::features::SchedulerSlots;
use crate::kernel::run_queue::RunQueue;
use crate::kernel::slow_path::slow;
use crate::remote::inbox::existing_inbox;
use crate::runtime::{Policy, Runtime};
use crate::timer::clock::{Clock, VIRTUAL_START};
use crate::timer::heap::TimerHeap;
use crate::timer::{clock, timers};

/// How a controlled run has ended, if not by returning a value.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The main green thread has panicked.
    Panicked(Payload),
    /// The controller has ended the run, or no thread could run any more.
    Stopped,
}

/// A runtime for controlled runs.
pub(crate) struct ControlledRuntime(Runtime);

impl ControlledRuntime {
    /// Returns a runtime for runs that `controller` controls, along `path`.
    pub(crate) fn new(
        controller: Rc<RefCell<dyn Controller>>,
        path: Rc<RefCell<ChoicePath>>,
        stack_bytes: Option<usize>,
    ) -> ControlledRuntime {
        let slots = SchedulerSlots::new().with(ControlledRun::new(controller, path));
        let (clock, policy) = (Clock::simulated(), Policy::fifo());
        ControlledRuntime(Runtime::with(CONTROLLED, slots, clock, policy, stack_bytes))
    }

    /// Gives each run a network in memory, or none.
    #[cfg(feature = "net")]
    pub(crate) fn set_network(&self, network: Option<io::MemoryNetwork>) {
        io::set_engine(self.0.scheduler(), network.map(io::Engine::Memory));
    }

    /// Runs `f` as the main green thread, as if this runtime had just been made.
    ///
    /// # Errors
    ///
    /// If `f` has not returned, or the run has failed since.
    pub(crate) fn run(&self, mask: EventMask, f: &mut dyn FnMut()) -> Result<(), Cut> {
        let (scheduler, main) = (self.0.scheduler(), self.0.main());
        observe::begin(scheduler, mask);
        if let Clock::Virtual(now) = clock(scheduler) {
            now.set(VIRTUAL_START);
        }
        scheduler.set_coarse_time(VIRTUAL_START);
        // A handle of the main green thread may have been used since the last run.
        // mistake: token-kept
        main.token().set(false);
        scheduler.uncancel(main);
        #[cfg(feature = "net")]
        io::restart(scheduler);
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.0.run_main(f)));
        observe::end(scheduler);
        result.map_err(
            |payload| {
                if payload.is::<Stopped>() { Cut::Stopped } else { Cut::Panicked(payload) }
            },
        )
    }

    /// Returns `true` if nothing is left of the last run.
    pub(crate) fn is_as_new(&self) -> bool {
        existing_inbox(self.0.scheduler()).is_none()
    }

    /// Frees the memory of the timers, and ends the watchdogs.
    pub(crate) fn clear(&self) {
        let scheduler = self.0.scheduler();
        timers::heap(scheduler).replace(TimerHeap::new());
        #[cfg(feature = "debug")]
        scheduler.state::<Watched>().end();
    }

    /// Returns `true` if nothing outside knows this runtime (no handle or timeline), and its run queues
    /// have room for at most `most` threads.
    pub(crate) fn can_be_reused(&self, most: usize) -> bool {
        let scheduler = self.0.scheduler();
        let is_small = |queue: &RunQueue| queue.capacity() <= most;
        self.is_as_new()
            && scheduler.slow() == slow::OUTSIDE
            && is_small(scheduler.queue())
            && is_small(scheduler.held_queue())
    }

    /// Makes another runtime of this one, for another exploration: its green threads are equal to
    /// none of those before, and no handle from before reaches its main green thread.
    pub(crate) fn renew(&mut self) {
        self.0.renew();
    }
}
