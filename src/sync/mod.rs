//! Locks and what else green threads wait for, with the interface of
//! [`std::sync`].
//!
//! Green threads switch only where they wait, so shared data needs a lock only if
//! it must stay as it is across a wait. An operation that can go on at once does
//! not switch, and allocates nothing; neither does one that waits.
//!
//! **First come, first served.** What is released belongs to the first who waits
//! for it, before that one runs: nobody can overtake. If one who waits is
//! cancelled or runs out of time, those behind it go on as if it had not come.
//!
//! **Cancellation.** Whatever may wait unwinds if the green thread has been
//! cancelled, and takes nothing with it. What has been handed over to a green
//! thread before it was cancelled is received, held, and released when the guard
//! is dropped.
//!
//! **Poisoning** is as in std. A lock is also poisoned by a green thread that is
//! cancelled while it holds it: the data may be half changed. One that is suspended
//! in the middle of a panic, in a destructor that waits, poisons nothing of anybody
//! else; but as long as it is, the panic of another is not told from it, and does
//! not poison either (a cancellation does).
//!
//! **Outside a runtime** everything works that does not have to wait.
//!
//! These types are neither `Send` nor `Sync`: they are for the green threads of
//! one OS thread, which share them by reference, `Rc` or [`Arc`]. A `static` must
//! be `Sync`, so it cannot hold one; `thread_local!` can.
//!
//! # Examples
//!
//! ```
//! use leno::sync::{Arc, Condvar, Mutex};
//! use leno::thread;
//!
//! leno::run(|| {
//!     let pair = Arc::new((Mutex::new(false), Condvar::new()));
//!     let other = pair.clone();
//!     thread::spawn(move || {
//!         let (ready, changed) = &*other;
//!         *ready.lock().unwrap() = true;
//!         changed.notify_one();
//!     });
//!     let (ready, changed) = &*pair;
//!     let guard = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
//!     assert!(*guard);
//! });
//! ```

#![forbid(unsafe_code)]

mod barrier;
mod condvar;
mod event;
pub mod mpsc;
mod mutex;
mod once;
mod once_lock;
mod poison;
mod rwlock;
mod semaphore;
mod wait_group;

use std::panic::Location;

use crate::kernel::{Holder, try_scheduler};

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use once_lock::{LazyLock, OnceLock, OnceLock as OnceCell};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{
    AcquireError, AcquireTimeoutError, Semaphore, SemaphorePermit, TryAcquireError,
};
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};
pub use wait_group::WaitGroup;

/// The number of whoever holds a lock outside a runtime.
const NOBODY: u64 = 0;

/// The current green thread, since the caller's line.
#[inline(always)]
#[track_caller]
fn holder() -> Holder {
    let number = try_scheduler().map_or(NOBODY, |scheduler| scheduler.current().id().number());
    Holder { number, at: Location::caller() }
}
