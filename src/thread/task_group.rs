//! Task groups: scopes in which the first failure ends everything.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::{Builder, Cancelled, Scope, ScopedJoinHandle};
use crate::access::{Access, Object, note, note_at};
use crate::cancel::{CancelScope, cancel_now};
use crate::kernel::{Payload, Resource, ThreadInfo, is_unwinding};

/// Green threads that succeed or fail together; see [`task_group`].
//
// Without `E: 'env`, the compiler takes whatever `E` borrows for one more end of
// `'scope`, and asks of everything that a task borrows to live that long too.
pub struct TaskGroup<'scope, 'env: 'scope, E: 'env> {
    scope: Scope<'scope, 'env>,
    /// Ends the body.
    breaker: CancelScope,
    /// The tasks that have not ended, in the order in which they were spawned.
    tasks: RefCell<BTreeMap<u64, Rc<ThreadInfo>>>,
    spawned: Cell<u64>,
    /// What is spawned from now on is cancelled at once.
    is_over: Cell<bool>,
    /// The first.
    failure: RefCell<Option<Failure<E>>>,
    resource: Resource,
}

enum Failure<E> {
    Error(E),
    Panic(Payload),
}

/// Runs `f` with a [`TaskGroup`], whose tasks are green threads that borrow as
/// those of [`scope`](super::scope) do, and that may fail. Returns when `f` and
/// all tasks have ended: with the value of `f` if all have succeeded, and
/// otherwise with the first error of any of them.
///
/// The first failure, an `Err` or a panic, of a task or of `f` itself, cancels
/// all the others ([`JoinHandle::cancel`](super::JoinHandle::cancel)), and unwinds
/// `f` where it waits: whatever they were doing, nobody waits for it any longer
/// than their destructors take. Failures after the first are dropped, and so is
/// the value of `f`.
///
/// The group itself is unwound like anything else that waits. If its green thread
/// is cancelled, or a deadline around it elapses
/// ([`time::timeout`](crate::time::timeout)), the tasks are cancelled and waited
/// for, and the unwinding goes on. A [`shield`](super::shield) in `f` or in a task
/// holds all of this off.
///
/// # Errors
///
/// The first error of a task, or of `f`.
///
/// # Panics
///
/// If the first failure is a panic, it goes on from here once all have ended.
/// Outside a runtime.
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
///         // Would wait for ever.
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
    let group = TaskGroup {
        scope: Scope::new(NAME),
        breaker: CancelScope::new(NAME),
        tasks: RefCell::default(),
        spawned: Cell::new(0),
        is_over: Cell::new(false),
        failure: RefCell::new(None),
        resource: Resource::new("task group"),
    };
    let ended = group.scope.enclose(at, || group.run_body(at, || f(&group)));
    let failure = group.failure.take();
    match (ended.and_then(|body| body), failure) {
        (_, Some(Failure::Panic(payload))) | (Err(payload), _) => panic::resume_unwind(payload),
        (Ok(_), Some(Failure::Error(error))) => Err(error),
        (Ok(Some(value)), None) => Ok(value),
        (Ok(None), None) => unreachable!("only a failure ends the body early"),
    }
}

impl<'scope, E> TaskGroup<'scope, '_, E> {
    /// Spawns a task, which may borrow what lives longer than the group. If it
    /// fails, so does the group.
    ///
    /// Joining it gives its value, or [`Cancelled`] if it was cancelled or has
    /// failed: its failure is the group's. Nobody has to join it; and cancelling
    /// it by its handle is no failure.
    ///
    /// If the group has failed already, the task is cancelled before it begins.
    ///
    /// # Panics
    ///
    /// As [`spawn`](super::spawn).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + 'scope,
        T: 'scope,
    {
        self.spawn_with(Builder::new(), "leno::thread::TaskGroup::spawn", f)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Cancels the tasks that have been spawned so far. That is no failure, and
    /// `f` goes on: for those of which only the first result is wanted.
    #[track_caller]
    pub fn cancel(&self) {
        note(self.object(), Access::Write, "cancel");
        self.cancel_all();
    }

    fn cancel_all(&self) {
        for task in self.tasks.borrow().values() {
            cancel_now(task);
        }
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// How many tasks have not ended.
    #[must_use]
    #[track_caller]
    pub fn len(&self) -> usize {
        note(self.object(), Access::Read, "look at");
        self.tasks.borrow().len()
    }

    /// Have all tasks ended?
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs the body, and waits for the tasks. `None` if a failure has ended it,
    /// and `Err` if something from outside unwinds it.
    fn run_body<T>(
        &self,
        at: &'static Location<'static>,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, Payload> {
        let body = || {
            self.breaker.run(|| {
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
            Err(payload) if is_unwinding(&payload) => {
                self.note_end("cancel");
                self.end();
                Err(payload)
            }
            Err(payload) => {
                self.fail(Failure::Panic(payload));
                Ok(None)
            }
        }
    }

    #[track_caller]
    fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        function: &'static str,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + 'scope,
        T: 'scope,
    {
        note(self.object(), Access::Write, "spawn in");
        let Builder { name, stack_bytes } = builder;
        let key = self.spawned.get();
        self.spawned.set(key + 1);
        let membership = Membership { group: self, key };
        let task = move || {
            let Membership { group, .. } = &membership;
            group.run_task(f)
        };
        let spawned = self.scope.spawn_on(function, stack_bytes, name, task)?;
        self.tasks.borrow_mut().insert(key, spawned.control().info().clone());
        if self.is_over.get() {
            cancel_now(spawned.control().info());
        }
        Ok(ScopedJoinHandle::new(spawned))
    }

    fn run_task<T>(&self, f: impl FnOnce() -> Result<T, E>) -> T {
        let failure = match panic::catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => Failure::Error(error),
            Err(payload) if is_unwinding(&payload) => panic::resume_unwind(payload),
            Err(payload) => Failure::Panic(payload),
        };
        self.fail(failure);
        panic::resume_unwind(Box::new(Cancelled))
    }

    fn fail(&self, failure: Failure<E>) {
        self.note_end("fail");
        let mut first = self.failure.borrow_mut();
        if first.is_none() {
            *first = Some(failure);
        } else {
            drop(first);
            // Its destructor may be the user's.
            drop(failure);
        }
        self.end();
    }

    fn note_end(&self, verb: &'static str) {
        note_at(self.object(), Access::Write, verb, self.resource.made_at());
    }

    fn end(&self) {
        if !self.is_over.replace(true) {
            self.cancel_all();
            self.breaker.cancel();
        }
    }
}

/// A task is in its group, until this is dropped.
struct Membership<'scope, 'env, E: 'env> {
    group: &'scope TaskGroup<'scope, 'env, E>,
    key: u64,
}

impl<E> Drop for Membership<'_, '_, E> {
    fn drop(&mut self) {
        let group = self.group;
        // Their order makes no difference.
        note_at(group.object(), Access::Commute, "end a task of", group.resource.made_at());
        let _thread = group.tasks.borrow_mut().remove(&self.key);
    }
}

impl Builder {
    /// Spawns a task of a group; see [`TaskGroup::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Stack::new`](crate::stack::Stack::new).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_task<'scope, F, T, E>(
        self,
        group: &'scope TaskGroup<'scope, '_, E>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + 'scope,
        T: 'scope,
    {
        group.spawn_with(self, "leno::thread::Builder::spawn_task", f)
    }
}

impl<E> fmt::Debug for TaskGroup<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("tasks", &self.len()).finish_non_exhaustive()
    }
}
