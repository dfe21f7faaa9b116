//! Green threads, with the interface of [`std::thread`].
//!
//! A green thread is spawned on the runtime of its OS thread and stays there, so its closure
//! need not be `Send`: green threads share plain data. They switch only where they wait,
//! yield or end.
//!
//! # What std has besides
//!
//! Every stable item of [`std::thread`] is here, as of Rust 1.95, but
//!
//! - `Builder::spawn_unchecked`, which is unsafe: [`scope`] lends without that;
//! - what is deprecated: `sleep_ms`, `park_timeout_ms`;
//! - the conversions of a `JoinHandle` to handles of the operating system: there is no OS thread;
//! - `Send` and `Sync` of handles: another OS thread uses a [`Handle`](crate::Handle) and its
//!   `spawn`, which returns a [`RemoteJoinHandle`](crate::RemoteJoinHandle).
//!
//! `thread_local!` is [`green_local!`](crate::green_local). [`park`] never returns without a reason.
//!
//! # Panics and panic hooks
//!
//! A panic ends its green thread, as in std. std's panic hook names the OS thread, "thread 'main'
//! panicked"; before that, leno prints which green thread it is. For this, the first runtime of a
//! process installs a hook, which calls the one that was there before and adds nothing to what a
//! hook of the program prints. A hook of the program, whenever it is set, asks [`current`]:
//!
//! ```
//! use std::panic;
//!
//! let before = panic::take_hook();
//! panic::set_hook(Box::new(move |info| {
//!     let thread = leno::thread::current();
//!     eprintln!("{} ({}):", thread.name().unwrap_or("unnamed"), thread.id());
//!     before(info);
//! }));
//! leno::run(|| {
//!     let parser = leno::thread::Builder::new().name("parser".to_owned());
//!     // Prints "parser (#2):", and then what std prints.
//!     assert!(parser.spawn(|| panic!("no end of line")).unwrap().join().is_err());
//! });
//! ```
//!
//! Outside a runtime, that is the OS thread. leno installs its hook once, and does not look for a later
//! one: std tells which hook is set only by taking it away, which other OS threads would notice.
//!
//! A hook may wait, and other green threads run meanwhile. Those that are cancelled or out of time
//! are unwound once the hook has returned, if it was set before the first runtime. A green thread
//! that panics while the hook of another waits ends the process: std allows one hook at a time on
//! an OS thread.
//!
//! # Examples
//!
//! ```
//! use leno::thread;
//! use std::cell::RefCell;
//! use std::rc::Rc;
//!
//! leno::run(|| {
//!     let log = Rc::new(RefCell::new(String::new()));
//!     let handles = ["12", "xy"].map(|text| {
//!         let log = log.clone();
//!         thread::spawn(move || {
//!             for letter in text.chars() {
//!                 log.borrow_mut().push(letter);
//!                 thread::yield_now();
//!             }
//!         })
//!     });
//!     handles.map(|handle| handle.join().unwrap());
//!     assert_eq!(*log.borrow(), "1x2y");
//! });
//! ```

#![forbid(unsafe_code)]

mod builder;
mod future;
mod handle;
mod join;
mod local;
mod task_group;

use crate::timer::{deadline_after, is_slice_over};
use std::io;
use std::num::NonZero;
use std::panic::Location;
use std::time::Duration;

use crate::access::{Access, Object, begin, note};
use crate::cancel::interrupted;
use crate::driver;
use crate::kernel::{
    Outcome, Report, Scheduler, ThreadInfo, Wait, WaitFor, scheduler, try_scheduler,
};

pub use crate::cancel::Cancelled;
pub use crate::kernel::ThreadId;
pub use crate::runtime::{Scope, scope};
pub use crate::time::{sleep, sleep_until};
pub use builder::Builder;
pub use handle::Thread;
use join::no_stack;
pub use join::{JoinHandle, Result, ScopedJoinHandle};
pub use local::{AccessError, LocalKey};
pub use task_group::{TaskGroup, task_group};

/// Spawns a green thread. It runs when its turn comes, not before the caller waits or yields.
///
/// With a warm pool of stacks this allocates nothing. If the handle is dropped, the green
/// thread is detached and goes on by itself; [`leno::run`](crate::run) waits for it, or cancels it
/// at the end ([`Builder::cancel_rest`](crate::Builder::cancel_rest)).
///
/// # Panics
///
/// Outside a runtime. If the system has no more stacks, with a text that names the limit;
/// [`Builder::spawn`] returns an error instead.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let handle = leno::spawn(|| "done");
///     assert_eq!(handle.join().unwrap(), "done");
/// });
/// ```
#[inline]
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let scheduler = scheduler("leno::spawn");
    match scheduler.stack(None) {
        Ok(stack) => JoinHandle::new(scheduler.spawn(stack, None, Location::caller(), f)),
        Err(error) => no_stack(&error),
    }
}

/// Yields to every other runnable green thread before the current one goes on. Returns at once
/// if there is none.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// leno::run(|| {
///     let ran = Cell::new(false);
///     leno::scope(|scope| {
///         scope.spawn(|| ran.set(true));
///         assert!(!ran.get());
///         leno::yield_now();
///         assert!(ran.get());
///     });
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn yield_now() {
    scheduler("leno::yield_now").yield_now();
}

/// Yields if the current green thread has used up its slice of time, about 10 milliseconds since the
/// first call after it was given its turn.
///
/// For loops that compute: a green thread runs until it waits, and meanwhile the runtime looks neither
/// at other threads nor at deadlines, at a [`Handle`](crate::Handle) or at sockets. A call costs
/// a few nanoseconds, and at the end of a slice a look at all of these and a yield.
///
/// With virtual time, which stands still while a thread runs, a slice is 1,000 calls. In an
/// exploration, other threads may run at each call.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point. A deadline is noticed at the end of a slice.
///
/// # Examples
///
/// ```
/// use leno::thread;
/// use leno::time::{Duration, timeout};
///
/// leno::run(|| {
///     let search = || {
///         (1_u64..).find(|_| {
///             thread::yield_if_due();
///             false
///         })
///     };
///     assert!(timeout(Duration::from_millis(1), search).is_err());
/// });
/// ```
#[inline]
#[track_caller]
pub fn yield_if_due() {
    let scheduler = scheduler("leno::thread::yield_if_due");
    if scheduler.is_controlled() {
        (scheduler.upcalls().report)(scheduler, Report::MayYield(Location::caller()));
    } else if is_slice_over(scheduler) {
        driver::poll(scheduler);
        return scheduler.yield_now();
    }
    scheduler.checkpoint();
}

/// Waits until [`Thread::unpark`] is called for the current green thread. Returns at once if
/// it has been called since the last `park`.
///
/// Unlike in std there are no spurious returns.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| {
///     let waiter = thread::spawn(|| {
///         thread::park();
///         "woken"
///     });
///     thread::yield_now();
///     assert!(!waiter.is_finished());
///     waiter.thread().unpark();
///     assert_eq!(waiter.join().unwrap(), "woken");
/// });
/// ```
#[inline]
#[track_caller]
pub fn park() {
    park_until("leno::thread::park", |_| None);
}

/// Waits as [`park`], but for at most `duration`.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// use leno::thread;
/// use leno::time::Duration;
///
/// leno::run(|| thread::park_timeout(Duration::from_millis(1)));
/// ```
#[track_caller]
pub fn park_timeout(duration: Duration) {
    park_until("leno::thread::park_timeout", |scheduler| deadline_after(scheduler, duration));
}

/// Waits for the token of [`Thread::unpark`] until the deadline. `function` is the public
/// function that needs a runtime.
#[inline(always)]
#[track_caller]
fn park_until(function: &'static str, deadline: impl FnOnce(&Scheduler) -> Option<u64>) {
    let scheduler = scheduler(function);
    let wait = Wait::new(WaitFor::Unpark);
    begin(Object::Token(scheduler.current().id().number()), Access::Write, "park");
    let token = scheduler.current().token();
    if token.replace(false) {
        return;
    }
    match scheduler.block(&wait, deadline(scheduler)) {
        Outcome::Woken | Outcome::Elapsed => {
            // A token that came during the wait is consumed, and a later one is not.
            note(Object::Token(scheduler.current().id().number()), Access::Write, "");
            token.set(false);
        }
        Outcome::Interrupted => interrupted(),
    }
}

/// Runs `f` to its end even if the green thread is cancelled, or if a deadline around this
/// call elapses ([`time::timeout`](crate::time::timeout)). The thread is unwound where it
/// waits next after `f`. Deadlines inside `f` apply.
///
/// For work that must not be left half done, as returning a resource that other threads wait
/// for. A shield does not hold off the unwinding of a deadlock.
///
/// # Panics
///
/// If `f` panics. Outside a runtime.
///
/// # Cancellation
///
/// No cancellation point, and none inside `f`.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| {
///     let saver = thread::spawn(|| {
///         thread::shield(|| {
///             thread::yield_now();
///             println!("saved");
///         });
///         thread::yield_now();
///         unreachable!("it has been cancelled");
///     });
///     thread::yield_now();
///     saver.cancel();
///     assert!(saver.join().is_err());
/// });
/// ```
#[track_caller]
pub fn shield<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    crate::cancel::shield("leno::thread::shield", f)
}

/// Returns `true` if the current green thread is unwinding.
///
/// In contrast, [`std::thread::panicking`] returns `true` for the whole OS thread while one of
/// its green threads waits in a destructor in the middle of a panic.
///
/// # Examples
///
/// ```
/// assert!(!leno::thread::panicking());
/// ```
#[must_use]
pub fn panicking() -> bool {
    crate::kernel::is_panicking()
}

/// Returns a handle to the current green thread.
///
/// Outside a runtime it is a handle to the OS thread, with its name and an id of its own.
/// [`Thread::unpark`] and [`Thread::cancel`] have no effect there, as [`park`] needs a runtime.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| assert_eq!(thread::current().name(), Some("main")));
/// assert_eq!(thread::current().name(), std::thread::current().name());
/// ```
#[must_use]
pub fn current() -> Thread {
    match try_scheduler() {
        Some(scheduler) => Thread::new(scheduler.current().info()),
        None => Thread::new(&ThreadInfo::of_os_thread()),
    }
}

/// Returns the number of green threads that run at the same time, which is one. For programs
/// written for [`std::thread`] that ask how many threads to spawn.
///
/// # Errors
///
/// Never.
///
/// # Examples
///
/// ```
/// assert_eq!(leno::thread::available_parallelism().unwrap().get(), 1);
/// ```
pub fn available_parallelism() -> io::Result<NonZero<usize>> {
    Ok(NonZero::<usize>::MIN)
}
