//! Runtimes for controlled runs, used again for each execution of an exploration and for the
//! next exploration.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use super::instance::Runtime;
use super::policy::Policy;
use crate::explore::teardown::Stopped;
use crate::explore::{ChoicePath, ControlledRun, Controller, Cut, EventMask, observe};
#[cfg(feature = "debug")]
use crate::inspect::debug::hog_sampler::Watched;
use crate::kernel::slow_path::slow;
use crate::remote::inbox::existing_inbox;
use crate::timer::clock::{Clock, VIRTUAL_START};
use crate::timer::{clock, timers};

/// A runtime for controlled runs.
pub(crate) struct ControlledRuntime(Runtime);

impl ControlledRuntime {
    /// Returns a runtime for runs that `controller` controls, along `path`.
    pub(crate) fn new(
        controller: Rc<RefCell<dyn Controller>>,
        path: Rc<RefCell<ChoicePath>>,
        stack_bytes: Option<usize>,
    ) -> ControlledRuntime {
        let runtime = Runtime::with(Clock::simulated(), Policy::fifo(), stack_bytes);
        runtime.scheduler().state::<ControlledRun>().set_controller(controller, path);
        ControlledRuntime(runtime)
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
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.0.run(f)));
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

    /// Ends the watchdogs.
    pub(crate) fn clear(&self) {
        #[cfg(feature = "debug")]
        self.0.scheduler().state::<Watched>().end();
    }

    /// Returns `true` if nothing outside knows this runtime (no handle or timeline), and nothing in it
    /// has room for more than `most` entries.
    pub(crate) fn can_be_reused(&self, most: usize) -> bool {
        let scheduler = self.0.scheduler();
        self.is_as_new()
            && scheduler.slow() == slow::OUTSIDE
            && scheduler.room() <= most
            && timers::room(scheduler) <= most
    }

    /// Makes another runtime of this one, for another exploration: its green threads are equal to
    /// none of those before, and no handle from before reaches its main green thread.
    pub(crate) fn renew(&mut self) {
        self.0.renew();
    }
}
