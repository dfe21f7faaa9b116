//! What a runtime does, in numbers.

#![forbid(unsafe_code)]

use super::instance::Runtime;
use super::room;
#[cfg(feature = "net")]
use crate::driver;
use crate::kernel::{Scheduler, scheduler};
use crate::stack::Pool;

/// What a runtime does, in numbers, at one moment. To take them costs about as much as a spawn.
///
/// # Examples
///
/// A green thread that reports them at intervals, for a program of which they are to be watched:
///
/// ```
/// use std::time::Duration;
///
/// leno::run(|| {
///     let reporter = leno::spawn(|| {
///         loop {
///             leno::sleep(Duration::from_millis(1));
///             let metrics = leno::metrics();
///             println!("{} green threads, {} ready", metrics.threads, metrics.ready);
///         }
///     });
///     leno::sleep(Duration::from_millis(3));
///     reporter.cancel();
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The turns that green threads have had since the runtime was made, as a count that wraps around.
    pub switches: usize,
    /// The green threads that have not ended, without the main one.
    pub threads: usize,
    /// Those of them, or the main one, that can run and wait for their turn: the length of the run queue.
    pub ready: usize,
    /// Those of them, or the main one, that wait for something.
    pub waiting: usize,
    /// The green threads that wait for sockets or other descriptors. 0 without the feature `net`.
    pub io_waits: usize,
    /// The most green threads at a time, if [`Builder::max_threads`](crate::Builder::max_threads) limits
    /// them.
    pub max_threads: Option<usize>,
    /// The green threads that wait for room to spawn another one
    /// ([`wait_for_room`](crate::thread::Builder::wait_for_room)).
    pub spawn_waits: usize,
    /// The bytes of address space of the stacks of this OS thread that are in use. They take memory for
    /// the part that was touched.
    pub used_stack_bytes: usize,
    /// The bytes of address space of the stacks that are kept for green threads to come.
    pub free_stack_bytes: usize,
    /// The most of [`used_stack_bytes`](Metrics::used_stack_bytes), if
    /// [`Builder::max_stack_bytes`](crate::Builder::max_stack_bytes) limits them.
    pub max_stack_bytes: Option<usize>,
}

/// Returns what the runtime of the caller does, in numbers.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// let metrics = leno::run(|| {
///     let sleeper = leno::spawn(leno::thread::park);
///     leno::yield_now();
///     let metrics = leno::metrics();
///     sleeper.thread().unpark();
///     metrics
/// });
/// assert_eq!((metrics.threads, metrics.ready, metrics.waiting), (1, 0, 1));
/// ```
#[track_caller]
#[must_use]
pub fn metrics() -> Metrics {
    of(scheduler("leno::metrics"))
}

fn of(scheduler: &Scheduler) -> Metrics {
    let (threads, ready) = (scheduler.running(), scheduler.ready().len());
    let (used_stack_bytes, free_stack_bytes) = Pool::bytes();
    Metrics {
        switches: scheduler.switches(),
        threads,
        ready,
        // Where one is running, the main one makes up for it.
        waiting: threads.saturating_sub(ready),
        #[cfg(feature = "net")]
        io_waits: driver::io::waits(scheduler),
        #[cfg(not(feature = "net"))]
        io_waits: 0,
        max_threads: limit(scheduler.most_threads().get()),
        spawn_waits: room::count(scheduler),
        used_stack_bytes,
        free_stack_bytes,
        max_stack_bytes: limit(scheduler.most_stack_bytes().get()),
    }
}

/// Returns a limit, if there is one.
fn limit(most: usize) -> Option<usize> {
    (most != usize::MAX).then_some(most)
}

impl Runtime {
    /// Returns what the runtime does, in numbers. For its host, between two calls of it.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = leno::Runtime::new();
    /// leno::thread::Builder::new().spawn_on(&runtime, leno::thread::park)?;
    /// assert_eq!(runtime.metrics().ready, 1);
    /// runtime.run_until_stalled();
    /// assert_eq!((runtime.metrics().ready, runtime.metrics().waiting), (0, 1));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        of(self.scheduler())
    }
}
