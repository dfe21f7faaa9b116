//! The runtime: one OS thread's scheduler and its green threads.

pub(crate) mod builder;
pub(crate) mod idle;
pub(crate) mod locals;
pub(crate) mod policy;
pub(crate) mod prefetch;
pub(crate) mod spawn;

pub(crate) use crate::access::access::{
    Access, Object, Told, also, asked, is_eventful, note, note_at, operation, operation_on_all,
    tell_value,
};
pub(crate) use crate::cancel::panics::is_panicking;
pub(crate) use crate::cancel::scope::{CancelScope, shield, timeout};
pub use crate::cancel::unwind::Cancelled;
pub(crate) use crate::cancel::unwind::is_unwinding;
pub(crate) use crate::explore::controlled_run::{Cut, Ready};
pub(crate) use crate::explore::controller::{
    Awaits, CLOCK, Director, Operated, Spawn, Stuck, Suspended, Suspension, UNTOLD, Wants, letters,
};
pub(crate) use crate::explore::path::{Choice, Track};
pub(crate) use crate::inspect::deadlock::{Age, DEADLOCK, Table};
pub(crate) use crate::inspect::hog_sampler::{Hog, WatchEnd};
pub(crate) use crate::inspect::signal_dump::listen_for_signal;
pub(crate) use crate::inspect::snapshot::{Doing, Frames, Seen, StackUse, with_room};
pub use crate::inspect::trace::Recorder;
pub(crate) use crate::inspect::trace::{Awaited, Cause, Event, Happened, Recording};
pub(crate) use crate::kernel::control_block::Payload;
pub(crate) use crate::kernel::current::{checkpoint, interrupted, scheduler, try_scheduler};
pub(crate) use crate::kernel::scheduler::Scheduler;
pub use crate::kernel::thread_info::ThreadId;
pub(crate) use crate::kernel::thread_info::ThreadInfo;
pub(crate) use crate::kernel::wait_queue::WaitQueue;
pub(crate) use crate::kernel::wait_reason::{
    Holder, Listed, Need, Needs, Outcome, Resource, Wait, WaitFor, Want,
};
pub(crate) use crate::remote::future::block_on;
pub use crate::remote::handle::{Ended, Handle};
pub use crate::remote::join::RemoteJoinHandle;
pub use crate::runtime::builder::{Builder, Runtime};
pub(crate) use crate::runtime::locals::{LocalError, with_local};
pub use crate::runtime::policy::Policy;
pub(crate) use crate::runtime::policy::Random;
pub(crate) use crate::runtime::spawn::Spawned;
pub use crate::runtime::spawn::{Scope, scope};
pub(crate) use crate::timer::clock::now;
pub use crate::timer::instant::Instant;

/// Runs `f` as the main green thread of a new runtime on this OS thread.
/// Returns what `f` returned, when `f` and all green threads that were spawned
/// have ended.
///
/// The main green thread runs on the caller's stack. Green threads take turns:
/// another runs when the current one waits, yields or ends, and at no other
/// moment, in the order in which they became ready. [`Builder`] has other
/// policies.
///
/// # Panics
///
/// If `f` panics, the panic goes on here, once all others have ended.
///
/// If every green thread waits and nothing can wake one, all of them are unwound
/// (their destructors run), and this panics with a report that says who waits
/// for what, since which line.
///
/// If it is called inside a runtime.
///
/// # Examples
///
/// ```
/// let sum = leno::run(|| {
///     let squares: Vec<_> = (1..=3).map(|n| leno::spawn(move || n * n)).collect();
///     squares.into_iter().map(|square| square.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum, 14);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    Runtime::new().run(f)
}
