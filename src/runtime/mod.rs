//! The runtime: one OS thread's scheduler and its green threads.

mod control;
mod queue;
mod report;
mod scheduler;
mod spawned;
mod unwind;

use std::panic::{self, AssertUnwindSafe, Location};

use control::Control;
pub(crate) use control::{Payload, ThreadState, Wait, WaitFor};
pub(crate) use scheduler::scheduler;
use scheduler::{Installed, Scheduler};
pub(crate) use spawned::Spawned;
pub use spawned::{Scope, scope};

/// Runs `f` as the main green thread of a new runtime on this OS thread.
/// Returns what `f` returned, when `f` and all green threads that were spawned
/// have ended.
///
/// The main green thread runs on the caller's stack. Green threads take turns:
/// another runs when the current one waits, yields or ends, and at no other
/// moment, in the order in which they became ready.
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
    let at = Location::caller();
    let scheduler = Scheduler::new();
    let main = Control::main(&scheduler);
    let installed = Installed::new(&scheduler, &main);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    scheduler.wait_for_all(at);
    main.retire();
    drop(installed);
    match (result, scheduler.take_deadlock()) {
        (Ok(value), None) => value,
        (Err(payload), None) => panic::resume_unwind(payload),
        (Err(payload), Some(report)) if !unwind::is_unwinding(&payload) => {
            // The first thing that went wrong goes on; the other is not hushed up.
            eprintln!("leno: {report}");
            panic::resume_unwind(payload)
        }
        (_, Some(report)) => panic!("{report}"),
    }
}
