//! The runtime: puts the kernel and its features together.

mod arrivals;
mod builder;
mod instance;
pub(crate) mod locals;
mod metrics;
pub(crate) mod next;
pub(crate) mod panic_hook;
mod policy;
pub(crate) mod random;
#[cfg(feature = "weave")]
mod reuse;
mod room;
mod spawn;
pub(crate) mod sums;
pub(crate) mod upcalls;

pub use builder::Builder;
pub use instance::Runtime;
pub(crate) use locals::{LocalError, with_local};
pub use metrics::{Metrics, metrics};
pub(crate) use next::random_below;
pub use policy::Policy;
pub(crate) use room::wait_for_room;
pub use spawn::End;
pub(crate) use spawn::Spawned;
pub use spawn::{Scope, scope};

/// Runs `f` as the main green thread of a new runtime on this OS thread. Returns what `f` returned,
/// when `f` and all spawned green threads have ended; [`Builder::cancel_rest`] cancels those that
/// are left when `f` ends.
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
/// (their destructors run), and this panics with a report of what each thread waits for, since
/// which line.
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
