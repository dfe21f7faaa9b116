//! Something that has happened, or not yet.

use crate::access::{Access, Object, also, note, operation};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::time::Elapsed;

/// A flag that green threads wait for.
///
/// Once it is set, nobody waits any more, until it is reset. Whoever waited when
/// it was set goes on, even if it has been reset before it comes to run.
///
/// # Examples
///
/// ```
/// use leno::sync::Event;
///
/// leno::run(|| {
///     let started = Event::new();
///     leno::scope(|scope| {
///         scope.spawn(|| started.set());
///         started.wait();
///         assert!(started.is_set());
///     });
/// });
/// ```
pub struct Event {
    waiting: WaitQueue<()>,
    set: Cell<bool>,
    resource: Resource,
}

impl Event {
    /// An event that is not set.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Event {
        Event { waiting: WaitQueue::new(), set: Cell::new(false), resource: Resource::new("event") }
    }

    /// Sets it, and wakes all who wait, in the order in which they came.
    #[track_caller]
    pub fn set(&self) {
        note(self.object(), Access::Write, "set");
        self.set.set(true);
        self.waiting.wake_all();
    }

    /// Whoever comes from now on waits again.
    #[track_caller]
    pub fn reset(&self) {
        note(self.object(), Access::Write, "reset");
        self.set.set(false);
    }

    /// Is it set?
    #[must_use]
    #[track_caller]
    pub fn is_set(&self) -> bool {
        note(self.object(), Access::Read, "look at");
        self.set.get()
    }

    /// Waits until it is set.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait(&self) {
        // Without a deadline there is no error.
        let _ = self.wait_until("Event::wait", |_| None);
    }

    /// As [`wait`](Event::wait), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over.
    ///
    /// # Panics
    ///
    /// As [`wait`](Event::wait).
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), Elapsed> {
        self.wait_until("Event::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    #[track_caller]
    fn wait_until(
        &self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), Elapsed> {
        operation(self.object(), Access::Read, "wait");
        if self.set.get() {
            return Ok(());
        }
        also(self.object(), Access::Write);
        let scheduler = scheduler(function);
        let wait =
            Wait::new(WaitFor::Resource(Need { what: Want::Itself, resource: &self.resource }));
        let (outcome, _) = self.waiting.wait(scheduler, None, &wait, deadline(scheduler));
        match outcome {
            Outcome::Woken => Ok(()),
            Outcome::Elapsed => Err(Elapsed),
            Outcome::Interrupted => interrupted(),
        }
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Names the event, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

impl Default for Event {
    #[track_caller]
    fn default() -> Self {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}
