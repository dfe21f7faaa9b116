//! Green threads, with the interface of [`std::thread`].
//!
//! A green thread is spawned on the runtime of its OS thread and stays there, so
//! what it captures need not be `Send`: green threads share plain data. They
//! switch only where they wait, yield or end.
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
mod handle;
mod join;

use std::io;
use std::panic::Location;

use crate::runtime::{Wait, WaitFor, scheduler};

pub use crate::runtime::{Scope, scope};
pub use builder::Builder;
pub use handle::{Thread, ThreadId};
pub use join::{JoinHandle, Result, ScopedJoinHandle};

/// Spawns a green thread; it runs when its turn comes, not before the caller
/// waits or yields.
///
/// From a warm pool of stacks this allocates nothing. If the handle is dropped,
/// the green thread goes on by itself; [`leno::run`](crate::run) waits for it.
///
/// # Panics
///
/// Outside a runtime. If the system has no more stacks, with a text that names
/// the limit; [`Builder::spawn`] gives an error instead.
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
    match builder::stack(None) {
        Ok(stack) => JoinHandle::new(scheduler.spawn(stack, None, f)),
        Err(error) => no_stack(&error),
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_stack(error: &io::Error) -> ! {
    panic!("{error}")
}

/// Lets every other green thread that can run have a turn before this one goes
/// on. If there is none, it returns at once.
///
/// # Panics
///
/// Outside a runtime.
#[inline(always)]
#[track_caller]
pub fn yield_now() {
    scheduler("leno::yield_now").yield_now();
}

/// Waits until [`Thread::unpark`] is called for this green thread, or returns at
/// once if it has been called since the last `park`.
///
/// Unlike in std there are no spurious returns.
///
/// # Panics
///
/// Outside a runtime.
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
#[track_caller]
pub fn park() {
    let scheduler = scheduler("leno::thread::park");
    let at = Location::caller();
    while !scheduler.current().token.replace(false) {
        scheduler.wait(Wait { what: WaitFor::Unpark, at });
    }
}

/// The handle of the green thread that calls this.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// leno::run(|| assert_eq!(leno::thread::current().name(), Some("main")));
/// ```
#[must_use]
#[track_caller]
pub fn current() -> Thread {
    Thread::new(scheduler("leno::thread::current").current().thread_state())
}
