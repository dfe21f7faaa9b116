//! Waiting for a number of others.

use crate::access::{Access, Object, also, note, note_at, operation};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, checkpoint, scheduler,
};
use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A group whose members are its clones: each is done when its clone is dropped.
/// As crossbeam's.
///
/// There is no count to be raised and lowered by hand: a member that panics or is
/// cancelled is done as well, since its clone is dropped.
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
    members: Rc<Members>,
}

struct Members {
    waiting: WaitQueue<()>,
    count: Cell<usize>,
    /// Somebody has joined it who was not the clone of a member.
    is_rejoined: Cell<bool>,
    resource: Resource,
}

impl Members {
    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }
}

impl WaitGroup {
    /// A group with one member, this.
    #[track_caller]
    #[must_use]
    pub fn new() -> WaitGroup {
        let resource = Resource::new("wait group");
        let members = Members {
            waiting: WaitQueue::new(),
            count: Cell::new(1),
            is_rejoined: Cell::new(false),
            resource,
        };
        WaitGroup { members: Rc::new(members) }
    }

    /// Leaves the group, and waits until all others are done.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait(self) {
        // Without a deadline there is no error.
        let _ = self.wait_until("WaitGroup::wait", |_| None);
    }

    /// As [`wait`](WaitGroup::wait), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over; the error is a new member of the group, to wait again.
    ///
    /// # Panics
    ///
    /// As [`wait`](WaitGroup::wait).
    #[track_caller]
    pub fn wait_timeout(self, timeout: Duration) -> Result<(), WaitGroup> {
        self.wait_until("WaitGroup::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    #[track_caller]
    fn wait_until(
        self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<(), WaitGroup> {
        checkpoint();
        let members = self.members.clone();
        drop(self);
        operation(members.object(), Access::Write, "wait");
        if members.count.get() == 0 {
            return Ok(());
        }
        let scheduler = scheduler(function);
        let need = Need { what: Want::End, resource: &members.resource };
        let wait = Wait::new(WaitFor::Resource(need));
        let (outcome, _) = members.waiting.wait(scheduler, None, &wait, deadline(scheduler));
        match outcome {
            Outcome::Woken => {
                // Nobody comes once all have gone, unless from outside.
                let is_last = !members.is_rejoined.get();
                let access = if is_last { Access::Await } else { Access::Write };
                also(members.object(), access);
                Ok(())
            }
            Outcome::Elapsed => {
                note(members.object(), Access::Write, "join");
                members.is_rejoined.set(true);
                Err(WaitGroup::join(members))
            }
            Outcome::Interrupted => interrupted(),
        }
    }

    fn join(members: Rc<Members>) -> WaitGroup {
        members.count.set(members.count.get() + 1);
        WaitGroup { members }
    }

    /// Names the group, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.members.resource.set_name(name.into());
    }
}

impl Clone for WaitGroup {
    /// One more member.
    #[track_caller]
    fn clone(&self) -> Self {
        note(self.members.object(), Access::Commute, "join");
        WaitGroup::join(self.members.clone())
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        let members = &self.members;
        note_at(members.object(), Access::Commute, "leave", members.resource.made_at());
        self.members.count.set(self.members.count.get() - 1);
        if self.members.count.get() == 0 {
            self.members.waiting.wake_all();
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
        f.debug_struct("WaitGroup")
            .field("count", &self.members.count.get())
            .finish_non_exhaustive()
    }
}
