//! Explores the interleavings of a program: enumerates, finds, replays and explains them.
//!
//! A program that is explored is an ordinary closure that uses leno's ordinary primitives: the same
//! binary that runs in production, with no second set of types. It is run repeatedly on a runtime
//! with virtual time, and the explorer makes every choice.
//!
//! - [`explore`] runs every execution, and groups executions by the value that the program returns.
//! - [`find`] searches for an execution that returns a wanted value, or proves that there is none.
//! - [`replay`] repeats an execution by its [`Schedule`], which is text.
//! - [`check`] is for tests: it panics if an execution fails, with a short schedule and the story of
//!   the execution.
//! - [`story`] shows an execution step by step.
//! - [`Explorer`] has the options: preemption, reduction, sampling, limits, workers.
//!
//! # Examples
//!
//! A prints `1 2 3`, B prints `x y z`, and neither calls the other. The exploration finds all texts
//! that they can print together:
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
//! A *step* is what a green thread does from the beginning of a turn to the next place where another
//! green thread could run. An *execution* is a run of the program to its end. Two executions differ
//! if a choice was made differently in them. There is a choice
//!
//! - when the current green thread waits, yields or ends, and at least two are enabled: green threads
//!   that were spawned and have not begun, that have yielded, or that have ended their wait;
//! - in a [`select!`](crate::select!) with several arms that are ready.
//!
//! There is no other choice, since leno does not switch elsewhere: not at a spawn, at a free lock, at
//! a channel that has room, or at the join of a green thread that has ended. When no green thread is
//! enabled, time passes to the next deadline. So these are exactly the executions that the program
//! can have on leno with any [`Policy`](crate::Policy), provided that the code between two waits takes
//! no time.
//!
//! Two green threads of three steps each, with two yields each, have 20 executions. A yield *after*
//! the last step is one more place where the other thread can run: it makes a fourth step, which does
//! nothing, and 70 executions.
//!
//! [`preemptive`](Explorer::preemptive), [`timed`](Explorer::timed) and [`fair`](Explorer::fair)
//! change where there is a choice, and among which green threads. [`reduced`](Explorer::reduced)
//! leaves out equivalent executions. [`max_switches`](Explorer::max_switches) and random sampling
//! leave out executions that may matter.
//!
//! # Requirements on a program
//!
//! The program must behave the same whenever it is given the same turns. It must create the state that
//! it uses: a channel or a `Cell` from outside would carry state from one execution to the next. The
//! first execution is run twice, and each execution repeats the beginning of the one before. So a
//! program that uses the system's clock or random numbers is usually detected, and the report says at
//! which choice its executions differ.
//!
//! # Limits
//!
//! - **Blocking the OS thread, real I/O**: takes its full time in each execution.
//!   [`unblock`](crate::unblock), a [`Handle`](crate::Handle) and wakers on other OS threads work, and
//!   the exploration waits for them. The moment of their effect is no choice of the explorer, so a
//!   program that does something else meanwhile may not repeat itself.
//! - **Another runtime** inside the program panics, which is the failure.
//! - **Statics, thread-locals, the system's clock, random numbers**:
//!   [`FailureKind::NotRepeatable`], if they change what the program does or returns.
//! - **No end**: [`FailureKind::Endless`] after 20,000 steps, or
//!   [`max_steps`](Explorer::max_steps). With more green threads at once than that:
//!   [`FailureKind::TooManyThreads`].
//! - **A ticker** has no end with [`timed`](Explorer::timed), which lets time pass at any moment.
//! - **Atomics** ([`sync::atomic`](crate::sync::atomic)) are sequentially consistent, whatever their
//!   orderings. Those of [`std::sync::atomic`] are not observed, and neither is plain data that threads
//!   share, as a `Cell`, or a `Coroutine` in an `Rc`: with `preemptive` and `reduced`, a
//!   [`Shared`] holds such data.
//! - **A green thread that never switches** blocks everything, as on any runtime;
//!   [`watch_hogs`](crate::debug::watch_hogs), called in the program, names it.
//! - **A panic in a destructor** is a failure like any other. During unwinding it ends the process,
//!   after the schedule has been printed.
//! - **An aborted execution** (a deadlock, no end, or redundancy) is unwound: every destructor runs
//!   once, and may wait. The process ends, with a message, if destructors have had a million turns, or
//!   if a green thread has caught its unwinding and gone on a thousand times.
//! - **A forgotten join handle** keeps the stack of its green thread, in each execution.
//!
//! A panic that the program catches is no failure. Panics of the program are recorded and not printed:
//! they do not call the panic hook that was installed before the first exploration. A hook that is
//! installed later is called, and then failures do not contain the line of the panic.

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
mod fault;
mod happens_before;
mod line;
mod name;
mod names;
mod options;
mod page;
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
mod strategy;

use std::fmt;

pub use explorer::Explorer;
pub use failure::{Failure, FailureKind};
pub use page::Page;
pub use parallel::Workers;
pub use report::{Outcome, Report};
pub use schedule::{ParseScheduleError, Schedule};
pub use shared::Shared;
pub use story::Story;

/// Runs the program under every schedule, and groups the executions by the value that the program
/// returned. [`Explorer`] has options.
///
/// # Panics
///
/// Inside a runtime.
///
/// # Examples
///
/// ```
/// use leno::weave::{Shared, explore};
///
/// let report = explore(|| {
///     let last = Shared::new("");
///     leno::scope(|scope| {
///         scope.spawn(|| last.set("A"));
///         scope.spawn(|| last.set("B"));
///     });
///     last.into_inner()
/// });
/// assert_eq!(report.outcomes().len(), 2);
/// ```
#[track_caller]
pub fn explore<F, T>(program: F) -> Report<T>
where
    F: Fn() -> T,
    T: Ord,
{
    Explorer::new().explore(program)
}

/// Returns the first schedule under which the program returns a `wanted` value; `None` if no
/// execution does.
///
/// # Panics
///
/// As [`Explorer::find`].
///
/// # Examples
///
/// ```
/// use leno::weave::{Shared, find};
///
/// let program = || {
///     let last = Shared::new("");
///     leno::scope(|scope| {
///         scope.spawn(|| last.set("A"));
///         scope.spawn(|| last.set("B"));
///     });
///     last.into_inner()
/// };
/// assert_eq!(find(program, |&last| last == "A").unwrap().to_string(), "B1");
/// assert_eq!(find(program, |&last| last == ""), None);
/// ```
#[track_caller]
pub fn find<F, T>(program: F, wanted: impl Fn(&T) -> bool) -> Option<Schedule>
where
    F: Fn() -> T,
{
    Explorer::new().find(program, wanted)
}

/// Runs the program under one schedule, and returns its value.
///
/// # Panics
///
/// As [`Explorer::replay`].
///
/// # Examples
///
/// ```
/// use leno::weave::{Shared, replay};
///
/// let program = || {
///     let last = Shared::new("");
///     leno::scope(|scope| {
///         scope.spawn(|| last.set("A"));
///         scope.spawn(|| last.set("B"));
///     });
///     last.into_inner()
/// };
/// assert_eq!(replay("B1", program), "A");
/// ```
#[track_caller]
pub fn replay<S, F, T>(schedule: S, program: F) -> T
where
    S: TryInto<Schedule, Error: fmt::Display>,
    F: Fn() -> T,
{
    Explorer::new().replay(schedule, program)
}

/// Explores a program in a `#[test]`. Panics if an execution fails, with a short schedule, the
/// story, and the line that replays it; see [`Explorer::check`].
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

/// Runs the program under one schedule, and returns the story of the execution.
///
/// # Panics
///
/// As [`Explorer::story`].
///
/// # Examples
///
/// ```
/// let story = leno::weave::story("", || leno::spawn(|| ()).join());
/// println!("{story}");
/// ```
#[track_caller]
pub fn story<S, F, T>(schedule: S, program: F) -> Story
where
    S: TryInto<Schedule, Error: fmt::Display>,
    F: Fn() -> T,
{
    Explorer::new().story(schedule, program)
}

/// Shows a value under a name in a [`Story`] and a [`Page`]. It is no operation: other green threads do
/// not run before it, and a reduced exploration takes no account of it. Outside of a recorded execution
/// it costs the test of a byte, and formats nothing.
///
/// # Examples
///
/// ```
/// let story = leno::weave::story("", || {
///     let sum = 1 + 2;
///     leno::weave::show("sum", &sum);
/// });
/// assert!(story.to_string().contains("shows sum: 3"));
/// ```
#[track_caller]
pub fn show(name: &str, value: &impl fmt::Debug) {
    crate::access::show_value(name, &|| format!("{value:?}"));
}
