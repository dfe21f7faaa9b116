//! The words of the compiler where a type of leno would have to be `Send` or `Sync`.
//!
//! The types are neither, since their state has no atomics and no locks. Left to themselves, the
//! compiler complains of each pointer and cell in them. With the impls below, which never hold, it
//! complains once for each type, in the words of [`MayLeaveItsOsThread`].

use crate::channel::{Receiver, Select, Sender};
use crate::coroutine::{Coroutine, Generator, Yielder};
use crate::runtime::{Runtime, Scope};
use crate::stack::Stack;
use crate::sync::{
    Barrier, Condvar, Event, LazyLock, Mutex, MutexGuard, Once, OnceLock, RwLock, RwLockReadGuard,
    RwLockWriteGuard, Semaphore, SemaphorePermit, WaitGroup,
};
use crate::thread::{JoinHandle, TaskGroup, Thread};

/// The bound of the impls below. No type implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` belongs to the green threads of one OS thread: another OS thread cannot get \
               it (`Send`) or share it (`Sync`)",
    label = "belongs to one OS thread",
    note = "if only green threads use it, remove the bound `Send` or `Sync`: leno needs none; a \
            `static` becomes a `thread_local!`",
    note = "another OS thread uses a `leno::Handle`, or a type of `std`: see \"Porting a program\" in \
            leno's README"
)]
pub trait MayLeaveItsOsThread {}

/// Implements `Send` and `Sync` under the bound that never holds.
///
/// A bound that has no parameter and never holds is an error; with `for<'a>` it is none.
macro_rules! confine {
    ($([$($parameter:tt)*] $type:ty;)*) => {$(
        // SAFETY: the bound never holds, so the type is not `Send`.
        unsafe impl<$($parameter)*> Send for $type where for<'a> $type: MayLeaveItsOsThread {}
        // SAFETY: the bound never holds, so the type is not `Sync`.
        unsafe impl<$($parameter)*> Sync for $type where for<'a> $type: MayLeaveItsOsThread {}
    )*};
}

confine! {
    [T: ?Sized] Mutex<T>;
    ['lock, T: ?Sized] MutexGuard<'lock, T>;
    [T: ?Sized] RwLock<T>;
    ['lock, T: ?Sized] RwLockReadGuard<'lock, T>;
    ['lock, T: ?Sized] RwLockWriteGuard<'lock, T>;
    [T] OnceLock<T>;
    [T, F] LazyLock<T, F>;
    [] Once;
    [] Condvar;
    [] Barrier;
    [] Event;
    [] Semaphore;
    ['held] SemaphorePermit<'held>;
    [] WaitGroup;
    [T] Sender<T>;
    [T] Receiver<T>;
    ['ends] Select<'ends>;
    [] Thread;
    [T] JoinHandle<T>;
    ['scope, 'env: 'scope] Scope<'scope, 'env>;
    ['scope, 'env: 'scope, E: 'env] TaskGroup<'scope, 'env, E>;
    [] Runtime;
    [Input, Yield, Return] Coroutine<Input, Yield, Return>;
    [T] Generator<T>;
    [Input, Yield] Yielder<Input, Yield>;
    [] Stack;
}
