//! Wait groups, which wait for the end of a number of threads.

use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::access::{Access, Observed};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, WaitQueue, Want, checkpoint, scheduler};

/// A group with its clones as members: dropping a clone ends that member, as in crossbeam's
/// `WaitGroup`.
///
/// No counter is raised and lowered by hand. A member that panics or is cancelled ends as
/// well, since its clone is dropped.
///
/// # Examples
///
/// ```
/// use leno::sync::WaitGroup;
///
/// leno::run(|| {
///     let group = WaitGroup::new();
///     for _ in 0..3 {
///         let member = group.clone();
///         leno::spawn(move || {
///             leno::yield_now();
///             drop(member);
///         });
///     }
///     group.wait();
/// });
/// ```
pub struct WaitGroup {
    group: Rc<Observed<Group>>,
}

struct Group {
    waiting: WaitQueue<()>,
    /// The number of members.
    count: Cell<usize>,
    /// A thread has joined other than by cloning a member.
    is_rejoined: Cell<bool>,
}

impl WaitGroup {
    /// Creates a group with one member, which is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::WaitGroup::new().wait(); // there are no other members
    /// ```
    #[track_caller]
    #[must_use]
    pub fn new() -> WaitGroup {
        let waiting = WaitQueue::new();
        let group = Group { waiting, count: Cell::new(1), is_rejoined: Cell::new(false) };
        WaitGroup { group: Rc::new(Observed::new("wait group", group)) }
    }

    /// Leaves the group, and waits until all other members have been dropped.
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
    /// See [`WaitGroup`].
    #[track_caller]
    pub fn wait(self) {
        // Without a deadline there is no error.
        let _ = self.wait_until("WaitGroup::wait", |_| None);
    }

    /// Waits as [`wait`](WaitGroup::wait), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed. The error is a new member of the group, to wait again.
    ///
    /// # Panics
    ///
    /// As [`wait`](WaitGroup::wait).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::WaitGroup;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     let group = WaitGroup::new();
    ///     let member = group.clone();
    ///     let group = group.wait_timeout(Duration::from_millis(1)).unwrap_err();
    ///     drop(member);
    ///     group.wait();
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout(self, timeout: Duration) -> Result<(), WaitGroup> {
        self.wait_until("WaitGroup::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    /// Leaves the group, and waits until it is empty or the deadline has passed.
    #[track_caller]
    fn wait_until(
        self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), WaitGroup> {
        checkpoint();
        let group = self.group.clone();
        drop(self);
        let state = group.begin(Access::Write, "wait");
        if state.count.get() == 0 {
            return Ok(());
        }
        let scheduler = scheduler(function);
        let deadline = deadline(scheduler);
        match state.wait(|state| &state.waiting, Want::End, scheduler, None, deadline).0 {
            Outcome::Woken => {
                // Once all members have been dropped, none can be cloned.
                let group_state = group.unreported("the access is reported next, with its kind");
                let is_rejoined = group_state.is_rejoined.get();
                group.also(if is_rejoined { Access::Write } else { Access::Await });
                Ok(())
            }
            Outcome::Elapsed => {
                let state = group.note(Access::Write, "join");
                state.is_rejoined.set(true);
                state.join();
                Err(WaitGroup { group })
            }
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Names the group for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::WaitGroup::new().set_name("workers");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.group.set_name(name.into());
    }
}

impl Group {
    /// Counts one more member.
    fn join(&self) {
        self.count.set(self.count.get() + 1);
    }
}

impl Clone for WaitGroup {
    /// Adds a member.
    #[track_caller]
    fn clone(&self) -> Self {
        self.group.note(Access::Commute, "join").join();
        WaitGroup { group: self.group.clone() }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        let group = self.group.note_where_made(Access::Commute, "leave");
        group.count.set(group.count.get() - 1);
        if group.count.get() == 0 {
            group.waiting.wake_all();
        }
    }
}

impl Default for WaitGroup {
    #[track_caller]
    fn default() -> Self {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.note(Access::Read, "look at");
        f.debug_struct("WaitGroup").field("count", &group.count.get()).finish_non_exhaustive()
    }
}
