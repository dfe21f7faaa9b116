//! Meeting points.

use crate::access::{Access, Object, note, operation};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want, scheduler,
};
use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use crate::time::Elapsed;

/// A point at which a number of green threads wait for each other, again and
/// again, as [`std::sync::Barrier`].
///
/// One that is cancelled while it waits, or runs out of time, has not come: the
/// others wait for another.
///
/// # Examples
///
/// ```
/// use leno::sync::Barrier;
///
/// leno::run(|| {
///     let barrier = Barrier::new(3);
///     let leaders = leno::scope(|scope| {
///         let all = [(); 3].map(|()| scope.spawn(|| barrier.wait().is_leader()));
///         all.map(|one| usize::from(one.join().unwrap())).iter().sum::<usize>()
///     });
///     assert_eq!(leaders, 1);
/// });
/// ```
pub struct Barrier {
    waiting: WaitQueue<()>,
    /// How many make it open.
    count: usize,
    /// How many have come since it opened, and have not gone on. Some of them
    /// may wait no more: they were cancelled, or their time was over.
    arrived: Cell<usize>,
    resource: Resource,
}

/// Who of those that met this is; see [`Barrier::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Is it the one who came last? One of those that met is.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

impl Barrier {
    /// A barrier for `count` green threads. With 0, as with 1, nobody ever waits.
    #[track_caller]
    #[must_use]
    pub const fn new(count: usize) -> Barrier {
        Barrier {
            waiting: WaitQueue::new(),
            count,
            arrived: Cell::new(0),
            resource: Resource::new("barrier"),
        }
    }

    /// Waits until so many have come. The last one does not wait: it is the
    /// leader.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        match self.arrive("Barrier::wait", |_| None) {
            Ok(result) => result,
            Err(Elapsed) => unreachable!("a wait without a deadline"),
        }
    }

    /// As [`wait`](Barrier::wait), but waits at most so long.
    ///
    /// # Errors
    ///
    /// If the time is over. The others wait for another one.
    ///
    /// # Panics
    ///
    /// As [`wait`](Barrier::wait).
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, Elapsed> {
        self.arrive("Barrier::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    #[track_caller]
    fn arrive(
        &self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<BarrierWaitResult, Elapsed> {
        operation(self.object(), Access::Write, "wait");
        let arrived = self.arrived.get();
        // Those who wait are counted only if there may be enough.
        if arrived + 1 >= self.count && self.waiting.len() + 1 >= self.count {
            self.arrived.set(arrived - self.waiting.wake_all());
            return Ok(BarrierWaitResult { leader: true });
        }
        let scheduler = scheduler(function);
        let need = Need { what: Want::Others, resource: &self.resource };
        let wait = Wait::new(WaitFor::Resource(need));
        self.arrived.set(arrived + 1);
        let (outcome, _) = self.waiting.wait(scheduler, None, &wait, deadline(scheduler));
        if outcome == Outcome::Woken {
            return Ok(BarrierWaitResult { leader: false });
        }
        note(self.object(), Access::Write, "give up");
        self.arrived.set(self.arrived.get() - 1);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        Err(Elapsed)
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Names the barrier, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
