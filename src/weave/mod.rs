//! Interleavings: shown, found, enumerated, replayed and explained.
//!
//! A program that is explored is an ordinary closure that uses leno's ordinary
//! primitives: the same binary that runs in production, with no second set of
//! types. It is run again and again on a runtime whose every choice is made by the
//! explorer, with virtual time.
//!
//! - [`explore`] runs every execution, and groups them by what the program returns.
//! - [`find`] looks for one that returns something, or proves that there is none.
//! - [`replay`] runs one again, by its [`Schedule`], which is text.
//! - [`check`] is for tests: it panics if an execution fails, with the shortest
//!   schedule that does, and the story of what happens under it.
//! - [`Explorer`] has the rest: preemption, reduction, sampling, bounds, workers.
//!
//! # Examples
//!
//! A prints `1 2 3`, B prints `x y z`, and neither calls the other. Which texts can
//! come out?
//!
//! ```
//! use std::cell::RefCell;
//!
//! fn program() -> String {
//!     let out = RefCell::new(String::new());
//!     leno::scope(|scope| {
//!         for word in ["123", "xyz"] {
//!             let out = &out;
//!             scope.spawn(move || {
//!                 for (index, letter) in word.chars().enumerate() {
//!                     if index > 0 {
//!                         leno::yield_now();
//!                     }
//!                     out.borrow_mut().push(letter);
//!                 }
//!             });
//!         }
//!     });
//!     out.into_inner()
//! }
//!
//! let report = leno::weave::explore(program);
//! assert_eq!(report.executions(), 20);
//! assert_eq!(report.outcomes().len(), 20);
//!
//! let schedule = leno::weave::find(program, |text| text == "12xy3z").unwrap();
//! assert_eq!(schedule.to_string(), "A2 B2 A1");
//! assert_eq!(leno::weave::replay(&schedule, program), "12xy3z");
//! assert_eq!(leno::weave::find(program, |text| text == "2x1yz3"), None);
//! ```
//!
//! # What is explored
//!
//! A *step* is what a green thread does from where it is given the turn to where
//! somebody else could have it. An *execution* is a run of the program to its end,
//! and two executions differ if a choice was made differently in them. There is a
//! choice
//!
//! - when the green thread that has the turn waits, yields or ends, and at least two
//!   can go on: those that were spawned and have not begun, those that have yielded,
//!   and those whose wait is over;
//! - in a [`select!`](crate::select!) of which several arms can go on.
//!
//! There is none elsewhere, since leno does not switch elsewhere: not at a spawn, not
//! at a lock that is free, a channel that has room, or the join of one that has
//! ended. When nobody can go on, time passes to the next deadline. So these are
//! exactly the executions that the program can have on leno, whatever the
//! [`Policy`](crate::Policy), as long as what it does between two waits takes no
//! time.
//!
//! Two green threads of three steps each, so with two yields each, have 20. A yield
//! *after* the last step is one more place where the other can run: it makes a fourth
//! step, which does nothing, and 70 executions.
//!
//! [`preemptive`](Explorer::preemptive), [`timed`](Explorer::timed) and
//! [`fair`](Explorer::fair) change where there is a choice and among whom;
//! [`reduced`](Explorer::reduced) leaves out executions that differ in nothing that
//! matters. With [`max_switches`](Explorer::max_switches) and the ways to draw
//! executions by chance, some are left out that may matter.
//!
//! # What a program must be like
//!
//! It must do the same whenever it is given the same turns. What it uses must come
//! to life in it: a channel or a `Cell` from outside would carry something from one
//! execution to the next. The first execution is run twice, and each one repeats
//! the beginning of the one before it, so a program that asks the system's clock or
//! a random number is found out as a rule, and the report says where its runs
//! parted.
//!
//! # What cannot be explored, or not well
//!
//! - **Blocking the OS thread, real I/O**: takes as long as it takes, in each
//!   execution. [`unblock`](crate::unblock), a [`Handle`](crate::Handle) and wakers
//!   on other OS threads work, and are really waited for; but when they come is no
//!   choice of the explorer, so a program that does something else meanwhile may not
//!   repeat itself.
//! - **Another runtime** inside panics, which is the failure.
//! - **Statics, thread-locals, the system's clock, random numbers**:
//!   [`FailureKind::NotRepeatable`], if the program does or returns something else
//!   for that.
//! - **No end**: [`FailureKind::Endless`] after 20,000 steps, or what
//!   [`max_steps`](Explorer::max_steps) says. With more green threads at once than
//!   that: [`FailureKind::TooManyThreads`].
//! - **A green thread that never switches** holds up everything, as on any runtime;
//!   [`watch_hogs`](crate::debug::watch_hogs), called in the program, names it.
//! - **A panic in a destructor** is a failure like another. During an unwinding it
//!   ends the process, after the schedule has been printed.
//! - **An execution that is given up**, at a deadlock, without end, or since it is
//!   redundant, is unwound: every destructor runs, once, and may wait. The process
//!   ends, with a message, if destructors have had a million turns, or if a green
//!   thread has caught its unwinding and gone on a thousand times.
//! - **A forgotten join handle** keeps the stack of its green thread, in each
//!   execution.
//!
//! A panic that the program catches is no failure. Panics of the program are kept and
//! not printed: a panic hook is not called for them. One that is installed after the
//! first exploration is, and then failures do not say on which line they are.

#![forbid(unsafe_code)]

mod check;
mod controller;
mod dependence;
mod dfs;
mod dpor;
mod executor;
mod explorer;
mod failure;
mod fairness;
mod happens_before;
mod name;
mod names;
mod panics;
mod parallel;
mod progress;
mod recording;
mod replay;
mod report;
mod run_loop;
mod sampling;
mod schedule;
mod shared;
mod shrink;
mod spare;
mod story;

use std::fmt;

pub use explorer::Explorer;
pub use failure::{Failure, FailureKind};
pub use report::{Outcome, Report};
pub use schedule::{ParseScheduleError, Schedule};
pub use shared::Shared;
pub use story::{Story, story};
pub use parallel::Workers;

/// Runs the program under every schedule there is, and groups the executions by
/// what the program returned; see [`Explorer`] for others.
///
/// # Panics
///
/// Inside a runtime.
#[track_caller]
pub fn explore<F, T>(program: F) -> Report<T>
where
    F: Fn() -> T,
    T: Ord,
{
    Explorer::new().explore(program)
}

/// The first schedule under which the program returns what is `wanted`; `None` if
/// there is none, and all were tried.
///
/// # Panics
///
/// As [`Explorer::find`].
#[track_caller]
pub fn find<F, T>(program: F, wanted: impl Fn(&T) -> bool) -> Option<Schedule>
where
    F: Fn() -> T,
{
    Explorer::new().find(program, wanted)
}

/// Runs the program under one schedule, and gives what it returned.
///
/// # Panics
///
/// As [`Explorer::replay`].
#[track_caller]
pub fn replay<S, F, T>(schedule: S, program: F) -> T
where
    S: TryInto<Schedule, Error: fmt::Display>,
    F: Fn() -> T,
{
    Explorer::new().replay(schedule, program)
}

/// Explores a program in a `#[test]`, and panics if an execution fails, with a
/// short schedule, the story, and the line that replays it; see
/// [`Explorer::check`].
///
/// # Panics
///
/// If an execution fails. Inside a runtime.
///
/// # Examples
///
/// ```should_panic
/// use leno::weave::{Shared, check};
///
/// check(|| {
///     let total = Shared::new(0);
///     leno::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| {
///                 let before = total.get();
///                 leno::yield_now();
///                 total.set(before + 1);
///             });
///         }
///     });
///     assert_eq!(total.get(), 2, "an update was lost");
/// });
/// ```
#[track_caller]
pub fn check<F, T>(program: F)
where
    F: Fn() -> T,
{
    Explorer::new().check(program);
}
