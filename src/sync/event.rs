//! Events, which have happened or not.

use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::access::{Access, Observed};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, WaitQueue, Want, scheduler};
use crate::time::Elapsed;

/// A flag that green threads wait for.
///
/// While it is set, no thread waits for it. A thread that waited when it was set goes on,
/// even if it has been reset before that thread runs.
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
    state: Observed<State>,
}

struct State {
    waiting: WaitQueue<()>,
    is_set: Cell<bool>,
}

impl Event {
    /// Creates an event that is not set.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!leno::sync::Event::new().is_set());
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new() -> Event {
        let state = State { waiting: WaitQueue::new(), is_set: Cell::new(false) };
        Event { state: Observed::new("event", state) }
    }

    /// Sets the event, and wakes all waiting threads in the order in which they came.
    ///
    /// # Examples
    ///
    /// See [`Event`].
    #[track_caller]
    pub fn set(&self) {
        let state = self.state.note(Access::Write, "set");
        state.is_set.set(true);
        state.waiting.wake_all();
    }

    /// Resets the event: threads that come from now on wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = leno::sync::Event::new();
    /// event.set();
    /// event.reset();
    /// assert!(!event.is_set());
    /// ```
    #[track_caller]
    pub fn reset(&self) {
        self.state.note(Access::Write, "reset").is_set.set(false);
    }

    /// Returns `true` if the event is set.
    ///
    /// # Examples
    ///
    /// See [`Event`].
    #[must_use]
    #[track_caller]
    pub fn is_set(&self) -> bool {
        self.state.note(Access::Read, "look at").is_set.get()
    }

    /// Waits until the event is set.
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
    /// See [`Event`].
    #[track_caller]
    pub fn wait(&self) {
        // Without a deadline there is no error.
        let _ = self.wait_until("Event::wait", |_| None);
    }

    /// Waits as [`wait`](Event::wait), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed.
    ///
    /// # Panics
    ///
    /// As [`wait`](Event::wait).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Event;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| assert!(Event::new().wait_timeout(Duration::from_millis(1)).is_err()));
    /// ```
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), Elapsed> {
        self.wait_until("Event::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    /// Waits until the event is set or the deadline has passed.
    #[track_caller]
    fn wait_until(
        &self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), Elapsed> {
        if self.state.begin(Access::Read, "wait").is_set.get() {
            return Ok(());
        }
        let state = self.state.also(Access::Write);
        let scheduler = scheduler(function);
        let deadline = deadline(scheduler);
        match state.wait(|state| &state.waiting, Want::Itself, scheduler, None, deadline).0 {
            Outcome::Woken => Ok(()),
            Outcome::Elapsed => Err(Elapsed),
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Names the event for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Event::new().set_name("started");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.state.set_name(name.into());
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
