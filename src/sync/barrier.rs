//! Barriers, at which a number of threads wait for each other.

use crate::timer::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::access::{Access, Observed};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, WaitQueue, Want, scheduler};
use crate::time::Elapsed;

/// A point at which a fixed number of green threads wait for each other, repeatedly, as
/// [`std::sync::Barrier`].
///
/// A thread that is cancelled or reaches its deadline while it waits does not count as
/// arrived: the others wait for another one.
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
    /// The number of threads that open it.
    count: usize,
    state: Observed<State>,
}

struct State {
    /// A node with a value in its slot is counted.
    waiting: WaitQueue<()>,
    /// The number of nodes in `waiting`. Some of their threads may wait no more, since they were
    /// cancelled or reached a deadline, and have not gone on yet.
    arrived: Cell<usize>,
}

/// The result of [`Barrier::wait`].
///
/// # Examples
///
/// See [`Barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Returns `true` for one of the threads that have met: the last one to arrive.
    ///
    /// # Examples
    ///
    /// See [`Barrier`].
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

impl Barrier {
    /// Creates a barrier for `count` green threads. With 0, as with 1, no thread waits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::sync::Barrier::new(1).wait().is_leader());
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new(count: usize) -> Barrier {
        let state = State { waiting: WaitQueue::new(), arrived: Cell::new(0) };
        Barrier { count, state: Observed::new("barrier", state) }
    }

    /// Waits until `count` threads have arrived. The last one does not wait; it is the
    /// leader.
    ///
    /// Takes time in proportion to the number of waiting threads for the last one, and
    /// constant time for the others.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, it has not arrived.
    ///
    /// # Examples
    ///
    /// See [`Barrier`].
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        match self.arrive("Barrier::wait", |_| None) {
            Ok(result) => result,
            Err(Elapsed) => unreachable!("a wait without a deadline"),
        }
    }

    /// Waits as [`wait`](Barrier::wait), but for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the timeout has elapsed. The other threads wait for another one.
    ///
    /// # Panics
    ///
    /// As [`wait`](Barrier::wait).
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Barrier::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Barrier;
    /// use leno::time::Duration;
    ///
    /// leno::run(|| {
    ///     assert!(Barrier::new(2).wait_timeout(Duration::from_millis(1)).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, Elapsed> {
        self.arrive("Barrier::wait_timeout", |scheduler| deadline_after(scheduler, timeout))
    }

    /// Counts the caller as arrived, and waits until the barrier opens or the deadline has passed.
    #[track_caller]
    fn arrive(
        &self,
        function: &'static str,
        deadline: impl FnOnce(&Scheduler) -> Option<u64>,
    ) -> Result<BarrierWaitResult, Elapsed> {
        let state = self.state.begin(Access::Write, "wait");
        let mut arrived = state.arrived.get();
        if arrived + 1 >= self.count {
            // So many threads must wait no more that the barrier stays closed.
            arrived -= state.waiting.unlink_ended(arrived + 2 - self.count);
            state.arrived.set(arrived);
        }
        if arrived + 1 >= self.count {
            state.arrived.set(arrived - state.waiting.wake_all());
            return Ok(BarrierWaitResult { leader: true });
        }
        let scheduler = scheduler(function);
        state.arrived.set(arrived + 1);
        let deadline = deadline(scheduler);
        let (outcome, counted) =
            state.wait(|state| &state.waiting, Want::Others, scheduler, Some(()), deadline);
        if outcome == Outcome::Woken {
            return Ok(BarrierWaitResult { leader: false });
        }
        let state = self.state.note(Access::Write, "give up");
        if counted.is_some() {
            state.arrived.set(state.arrived.get() - 1);
        }
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        Err(Elapsed)
    }

    /// Names the barrier for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Barrier::new(1).set_name("start");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.state.set_name(name.into());
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
