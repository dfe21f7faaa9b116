//! Task groups: scopes in which the first failure cancels all tasks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::join::{ScopedJoinHandle, no_stack};
use crate::access::{Access, Accessed, Observed};
use crate::cancel::{CancelScope, Cancelled, cancel_now};
use crate::kernel::{Payload, ThreadInfo, is_unwound_by};
use crate::runtime::Scope;

/// Green threads that succeed or fail together; see [`task_group`].
///
/// # Examples
///
/// See [`task_group`].
//
// Without `E: 'env`, the compiler takes whatever `E` borrows for one more end of
// `'scope`, and requires everything that a task borrows to live that long too.
pub struct TaskGroup<'scope, 'env: 'scope, E: 'env> {
    scope: Scope<'scope, 'env>,
    /// Ends the body.
    body: CancelScope,
    state: Observed<State<E>>,
}

struct State<E> {
    /// The tasks that have not ended, in the order in which they were spawned.
    tasks: RefCell<BTreeMap<u64, Rc<ThreadInfo>>>,
    /// The number of tasks that were spawned.
    spawned: Cell<u64>,
    /// A task that is spawned from now on is cancelled at once.
    is_over: Cell<bool>,
    /// The first failure.
    failure: RefCell<Option<Failure<E>>>,
}

enum Failure<E> {
    Error(E),
    Panic(Payload),
}

/// Runs `f` with a [`TaskGroup`]. Its tasks are green threads that may borrow, as those of
/// [`scope`](super::scope), and that may fail. Returns when `f` and all tasks have ended: the
/// value of `f` if all have succeeded, and otherwise the first error of any of them.
///
/// The first failure (an `Err` or a panic, of a task or of `f` itself) cancels all the others
/// as [`JoinHandle::cancel`](super::JoinHandle::cancel) does, and unwinds `f` where it waits.
/// So the group ends as soon as their destructors have run. Failures after the first are
/// dropped, and so is the value of `f`.
///
/// # Cancellation
///
/// A cancellation point. If the group's own thread is cancelled, or a deadline around the
/// group elapses ([`time::timeout`](crate::time::timeout)), the tasks are cancelled and
/// waited for, and the unwinding continues. A [`shield`](super::shield) in `f` or in a task
/// holds this off.
///
/// # Errors
///
/// The first error of a task, or of `f`.
///
/// # Panics
///
/// If the first failure is a panic, it is resumed here once all tasks have ended. Outside a
/// runtime.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// fn fetch(name: &str) -> Result<usize, String> {
///     if name.is_empty() { Err("no name".to_owned()) } else { Ok(name.len()) }
/// }
///
/// leno::run(|| {
///     let total = thread::task_group(|group| {
///         let tasks = ["ann", "bo"].map(|name| group.spawn(move || fetch(name)));
///         Ok(tasks.into_iter().map(|task| task.join().unwrap()).sum::<usize>())
///     });
///     assert_eq!(total, Ok(5));
///
///     let failed = thread::task_group(|group| {
///         group.spawn(|| fetch(""));
///         // Waits until the failure cancels it.
///         thread::park();
///         Ok(())
///     });
///     assert_eq!(failed, Err("no name".to_owned()));
/// });
/// ```
#[track_caller]
pub fn task_group<'env, F, T, E: 'env>(f: F) -> Result<T, E>
where
    F: for<'scope> FnOnce(&'scope TaskGroup<'scope, 'env, E>) -> Result<T, E>,
{
    const NAME: &str = "leno::thread::task_group";
    let at = Location::caller();
    let state = State {
        tasks: RefCell::default(),
        spawned: Cell::new(0),
        is_over: Cell::new(false),
        failure: RefCell::new(None),
    };
    let group = TaskGroup {
        scope: Scope::new(NAME),
        body: CancelScope::new(NAME),
        state: Observed::new("task group", state),
    };
    let ended = group.scope.enclose(at, || group.run_body(at, || f(&group)));
    let failure = group.state.unreported("all tasks have ended").failure.take();
    match (ended.and_then(|body| body), failure) {
        (_, Some(Failure::Panic(payload))) | (Err(payload), _) => panic::resume_unwind(payload),
        (Ok(_), Some(Failure::Error(error))) => Err(error),
        (Ok(Some(value)), None) => Ok(value),
        (Ok(None), None) => unreachable!("only a failure ends the body early"),
    }
}

impl<'scope, E> TaskGroup<'scope, '_, E> {
    /// Spawns a task, which may borrow what lives longer than the group. If it fails, the
    /// group fails.
    ///
    /// Joining the task returns its value, or [`Cancelled`] if it was cancelled or has failed:
    /// its failure is the group's. A task need not be joined. Cancelling a task by its handle
    /// is no failure. A task that was not cancelled and passes on the [`Cancelled`] of another
    /// thread has panicked.
    ///
    /// If the group has failed already, the task is cancelled before it begins.
    ///
    /// # Panics
    ///
    /// As [`spawn`](super::spawn).
    ///
    /// # Examples
    ///
    /// See [`task_group`].
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + 'scope,
        T: 'scope,
    {
        match self.spawn_with("leno::thread::TaskGroup::spawn", None, None, f) {
            Ok(handle) => handle,
            Err(error) => no_stack(&error),
        }
    }

    /// Cancels the tasks that have been spawned so far. That is no failure, and `f` goes on.
    /// For a group of which only the first result is needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::{channel, thread};
    ///
    /// leno::run(|| {
    ///     let (sender, results) = channel::unbounded();
    ///     let first = thread::task_group(|group| {
    ///         for n in 1..=3 {
    ///             let sender = sender.clone();
    ///             group.spawn(move || {
    ///                 sender.send(n).unwrap();
    ///                 thread::park(); // until it is cancelled
    ///                 Ok::<(), String>(())
    ///             });
    ///         }
    ///         let first = results.recv().unwrap();
    ///         group.cancel();
    ///         Ok(first)
    ///     });
    ///     assert_eq!(first, Ok(1));
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.state.note(Access::Write, "cancel").cancel_all();
    }

    /// Returns the number of tasks that have not ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread;
    ///
    /// let result: Result<(), String> = leno::run(|| {
    ///     thread::task_group(|group| {
    ///         group.spawn(|| Ok(()));
    ///         assert_eq!(group.len(), 1);
    ///         leno::yield_now();
    ///         assert!(group.is_empty());
    ///         Ok(())
    ///     })
    /// });
    /// assert!(result.is_ok());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        self.state.note(Access::Read, "look at").tasks.borrow().len()
    }

    /// Returns `true` if all tasks have ended.
    ///
    /// # Examples
    ///
    /// See [`len`](TaskGroup::len).
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs the body, and waits for the tasks. Returns `None` if a failure has ended it, and
    /// `Err` if a cancellation or a deadline from outside unwinds it.
    fn run_body<T>(
        &self,
        at: &'static Location<'static>,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, Payload> {
        let body = || {
            self.body.run(|| {
                let value = f()?;
                self.scope.join_all(at);
                Ok(value)
            })
        };
        match panic::catch_unwind(AssertUnwindSafe(body)) {
            Ok(Some(Ok(value))) => Ok(Some(value)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => {
                self.fail(Failure::Error(error));
                Ok(None)
            }
            Err(payload) if is_unwound_by(&payload) => {
                self.end(self.state.note_where_made(Access::Write, "cancel"));
                Err(payload)
            }
            Err(payload) => {
                self.fail(Failure::Panic(payload));
                Ok(None)
            }
        }
    }

    /// Spawns a task. `function` is the public function that needs a runtime.
    #[track_caller]
    pub(super) fn spawn_with<F, T>(
        &'scope self,
        function: &'static str,
        stack_bytes: Option<usize>,
        name: Option<String>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + 'scope,
        T: 'scope,
    {
        let state = self.state.note(Access::Write, "spawn in");
        let key = state.spawned.get();
        state.spawned.set(key + 1);
        let membership = Membership { group: self, key };
        let task = move || {
            let Membership { group, .. } = &membership;
            group.run_task(f)
        };
        let spawned = self.scope.spawn_on(function, stack_bytes, name, task)?;
        state.tasks.borrow_mut().insert(key, spawned.control().info().clone());
        if state.is_over.get() {
            cancel_now(spawned.control().info());
        }
        Ok(ScopedJoinHandle::new(spawned))
    }

    /// Runs a task, and returns its value. A failure unwinds the task.
    fn run_task<T>(&self, f: impl FnOnce() -> Result<T, E>) -> T {
        let failure = match panic::catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => Failure::Error(error),
            Err(payload) if is_unwound_by(&payload) => panic::resume_unwind(payload),
            Err(payload) => Failure::Panic(payload),
        };
        self.fail(failure);
        panic::resume_unwind(Box::new(Cancelled))
    }

    /// Fails the group, unless it has failed before.
    fn fail(&self, failure: Failure<E>) {
        let state = self.state.note_where_made(Access::Write, "fail");
        let mut first = state.failure.borrow_mut();
        let superfluous = if first.is_none() { first.replace(failure) } else { Some(failure) };
        drop(first);
        self.end(state);
        // Last, since its destructor may be the user's and may wait.
        drop(superfluous);
    }

    /// Cancels all tasks and the body, unless that has been done before.
    fn end(&self, state: Accessed<'_, State<E>>) {
        if !state.is_over.replace(true) {
            state.cancel_all();
            self.body.cancel();
        }
    }
}

impl<E> State<E> {
    /// Cancels the tasks that have not ended.
    fn cancel_all(&self) {
        for task in self.tasks.borrow().values() {
            cancel_now(task);
        }
    }
}

/// The membership of a task in its group, which ends when this is dropped.
struct Membership<'scope, 'env, E: 'env> {
    group: &'scope TaskGroup<'scope, 'env, E>,
    key: u64,
}

impl<E> Drop for Membership<'_, '_, E> {
    fn drop(&mut self) {
        // The order in which tasks end makes no difference.
        let state = self.group.state.note_where_made(Access::Commute, "end a task of");
        let _thread = state.tasks.borrow_mut().remove(&self.key);
    }
}

impl<E> fmt::Debug for TaskGroup<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("tasks", &self.len()).finish_non_exhaustive()
    }
}
