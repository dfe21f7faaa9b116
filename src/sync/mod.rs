//! Locks and other primitives that green threads wait for, with the interface of
//! [`std::sync`].
//!
//! Green threads switch only where they wait, so shared data needs a lock only if it must
//! not change across a wait. An operation that need not wait does not switch. No operation
//! allocates, whether it waits or not.
//!
//! **First come, first served.** A release hands the lock or permit over to the thread that
//! has waited longest, before that thread runs, so that no other thread can overtake it. If a
//! waiting thread is cancelled or reaches its deadline, the threads behind it go on as if it
//! had not come.
//!
//! **Cancellation.** Every operation that may wait unwinds if the green thread has been
//! cancelled, and acquires nothing then. What was handed over to a thread before it was
//! cancelled is received or held, and released when its guard is dropped.
//!
//! **Poisoning** is as in std. A lock is also poisoned by a green thread that is cancelled
//! while it holds the lock, since the data may be half changed. A thread that is suspended in
//! the middle of a panic, in a destructor that waits, poisons no lock of another thread. But
//! while it is suspended there, the panic of another thread cannot be told from its own, and
//! poisons no lock either; a cancellation does.
//!
//! **Outside a runtime** every operation works that does not have to wait.
//!
//! These types are neither `Send` nor `Sync`: they are for the green threads of one OS
//! thread, which share them by reference, `Rc` or [`Arc`]. A `static` must be `Sync`, so it
//! cannot hold one of them; `thread_local!` can. The types of [`atomic`] are both. README has the
//! steps, under "Porting a program".
//!
//! # What std has besides
//!
//! Every stable item of [`std::sync`] and [`std::sync::mpsc`] is here, as of Rust 1.95, but
//!
//! - what is deprecated: `ONCE_INIT`, `Condvar::wait_timeout_ms`;
//! - `Send` and `Sync`, as the paragraph above says: a program with interfaces that
//!   demand them keeps the types of std there, which must not be waited for in a green thread;
//! - that a waiting thread may wake up without a reason: it does not.
//!
//! [`Arc`] and the errors are those of std. The types of [`atomic`] have std's names and functions, and
//! explorations observe each access to them.
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

pub mod atomic;
mod barrier;
mod claim;
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
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak};
pub use wait_group::WaitGroup;

/// The number of the holder of a lock outside a runtime.
const OUTSIDE: u64 = 0;

/// Returns the current green thread as the holder of a lock since the caller's line.
#[inline(always)]
#[track_caller]
fn holder() -> Holder {
    let number = try_scheduler().map_or(OUTSIDE, |scheduler| scheduler.current().id().number());
    Holder { number, at: Location::caller() }
}
