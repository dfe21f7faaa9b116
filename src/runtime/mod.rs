//! The runtime: one OS thread's scheduler and its green threads.

mod clock;
mod control;
mod current;
mod cycles;
mod deadline;
mod debugger;
mod directed;
mod director;
mod embed;
mod future;
mod handle;
mod hooks;
mod idle;
mod inbox;
mod instant;
mod locals;
mod mailbox;
mod operating;
mod operation;
mod panics;
mod policy;
mod queue;
mod remote;
mod report;
#[cfg(feature = "debug")]
mod requests;
mod rerun;
mod room;
mod scheduler;
mod scope_state;
mod shared;
mod spawned;
mod stacks;
mod stopped;
#[cfg(feature = "debug")]
mod survey;
mod switching;
mod thread_state;
mod timers;
mod trace;
mod track;
mod unwind;
mod wait;
mod wait_list;
mod waiting;
mod warming;
#[cfg(feature = "debug")]
mod watch;

pub(crate) use clock::now;
pub(crate) use control::Payload;
pub(crate) use current::{checkpoint, interrupted, scheduler, try_scheduler};
pub(crate) use deadline::{Breaker, shield, timeout};
pub(crate) use directed::{Cut, Ready};
pub(crate) use director::{
    Awaits, CLOCK, Director, Operated, Spawn, Stuck, Suspended, Suspension, UNTOLD, Wants, letters,
};
pub use embed::{Builder, Runtime};
pub(crate) use future::block_on;
pub use handle::{Ended, Handle};
pub use instant::Instant;
pub(crate) use locals::{LocalError, with_local};
pub(crate) use operation::{
    Access, Object, Told, also, asked, is_eventful, note, note_at, operation, operation_on_all,
    tell_value,
};
pub(crate) use panics::is_panicking;
pub use policy::Policy;
pub(crate) use policy::Random;
pub use remote::RemoteJoinHandle;
pub(crate) use report::{Age, DEADLOCK, Table};
#[cfg(feature = "debug")]
pub(crate) use requests::listen_for_signal;
#[cfg(feature = "debug")]
pub(crate) use room::with_room;
pub(crate) use scheduler::Scheduler;
pub(crate) use spawned::Spawned;
pub use spawned::{Scope, scope};
#[cfg(feature = "debug")]
pub(crate) use survey::{Doing, Frames, Seen, StackUse};
pub use thread_state::ThreadId;
pub(crate) use thread_state::ThreadState;
pub use trace::Recorder;
pub(crate) use trace::{Awaited, Cause, Event, Happened, Recording};
pub(crate) use track::{Choice, Track};
pub use unwind::Cancelled;
pub(crate) use unwind::is_unwinding;
pub(crate) use wait::{Holder, Listed, Need, Needs, Outcome, Resource, Wait, WaitFor, Want};
pub(crate) use wait_list::WaitList;
#[cfg(feature = "debug")]
pub(crate) use watch::{Hog, WatchEnd};

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
