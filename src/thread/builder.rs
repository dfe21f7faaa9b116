//! Settings of a green thread: its name, and the size of its stack.

use std::io;
use std::panic::Location;

use super::join::{JoinHandle, ScopedJoinHandle};
use super::task_group::TaskGroup;
use crate::kernel::scheduler;
use crate::runtime::{Runtime, Scope, wait_for_room};
#[cfg(doc)]
use crate::stack::Stack;

/// Settings for a new green thread, as [`std::thread::Builder`].
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| -> std::io::Result<()> {
///     let handle = thread::Builder::new()
///         .name("parser".to_owned())
///         .stack_size(1 << 20)
///         .spawn(|| thread::current().name().map(str::to_owned))?;
///     assert_eq!(handle.join().unwrap().as_deref(), Some("parser"));
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder spawns nothing until `spawn` is called"]
pub struct Builder {
    name: Option<String>,
    stack_bytes: Option<usize>,
    waits_for_room: bool,
}

impl Builder {
    /// Returns the settings of a green thread without a name, on a stack of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES).
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the green thread for reports.
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// Sets the usable size of the stack in bytes; see [`Stack::new`].
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Makes a spawn wait while the limits of the runtime allow no more green threads
    /// ([`max_threads`](crate::Builder::max_threads), [`max_stack_bytes`](crate::Builder::max_stack_bytes)),
    /// where it would be an error otherwise: until another green thread has ended. Threads that wait are
    /// served in the order in which they came. A spawn that does not wait may take the room before them.
    /// Without a limit it changes nothing.
    ///
    /// A report names the wait: `waits for room in a runtime`. It does not wait in
    /// [`spawn_on`](Builder::spawn_on), for which the host would have to wait, and not in an exploration.
    ///
    /// # Errors
    ///
    /// A spawn fails if its stack alone takes more bytes than the limit.
    ///
    /// # Cancellation
    ///
    /// The spawn becomes a cancellation point, and deadlines apply to it.
    ///
    /// # Examples
    ///
    /// A program that has at most three workers at a time:
    ///
    /// ```
    /// use leno::thread::Builder;
    ///
    /// leno::Builder::new().max_threads(3).run(|| {
    ///     for _ in 0..100 {
    ///         Builder::new().wait_for_room().spawn(leno::yield_now)?;
    ///         assert!(leno::metrics().threads <= 3);
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait_for_room(mut self) -> Builder {
        self.waits_for_room = true;
        self
    }

    /// Waits for room, if the settings say so.
    #[track_caller]
    fn wait(&self, function: &'static str) -> io::Result<()> {
        if self.waits_for_room {
            return wait_for_room(scheduler(function), self.stack_bytes, Location::caller());
        }
        Ok(())
    }

    /// Spawns the green thread; see [`spawn`](super::spawn).
    ///
    /// # Errors
    ///
    /// As [`Stack::new`], and if the limits of the runtime allow no more; see
    /// [`wait_for_room`](Builder::wait_for_room).
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        const FUNCTION: &str = "leno::thread::Builder::spawn";
        self.wait(FUNCTION)?;
        let scheduler = scheduler(FUNCTION);
        let stack = scheduler.stack(self.stack_bytes)?;
        Ok(JoinHandle::new(scheduler.spawn(stack, self.name, Location::caller(), f)))
    }

    /// Spawns a green thread of a scope; see [`Scope::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Stack::new`], and if the limits of the runtime allow no more; see
    /// [`wait_for_room`](Builder::wait_for_room).
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
    ///     let words = ["one", "two"];
    ///     let length = leno::scope(|scope| {
    ///         let counter = thread::Builder::new().name("counter".to_owned());
    ///         counter.spawn_scoped(scope, || words.len()).unwrap().join().unwrap()
    ///     });
    ///     assert_eq!(length, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        const FUNCTION: &str = "leno::thread::Builder::spawn_scoped";
        self.wait(FUNCTION)?;
        scope.spawn_on(FUNCTION, self.stack_bytes, self.name, f).map(ScopedJoinHandle::new)
    }

    /// Spawns a task of a group; see [`TaskGroup::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Stack::new`], and if the limits of the runtime allow no more; see
    /// [`wait_for_room`](Builder::wait_for_room).
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
    /// let result: Result<(), String> = leno::run(|| {
    ///     thread::task_group(|group| {
    ///         let fetcher = thread::Builder::new().name("fetcher".to_owned());
    ///         fetcher.spawn_task(group, || Err::<(), _>("no network".to_owned())).unwrap();
    ///         Ok(())
    ///     })
    /// });
    /// assert_eq!(result, Err("no network".to_owned()));
    /// ```
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
        let function = "leno::thread::Builder::spawn_task";
        self.wait(function)?;
        group.spawn_with(function, self.stack_bytes, self.name, f)
    }

    /// Spawns the green thread on a runtime that its host drives. It begins at the host's
    /// next call of [`run_until_stalled`](crate::Runtime::run_until_stalled).
    ///
    /// # Errors
    ///
    /// As [`Stack::new`], and if the limits of the runtime allow no more; see
    /// [`wait_for_room`](Builder::wait_for_room).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread;
    ///
    /// let mut runtime = leno::Runtime::new();
    /// let handle = thread::Builder::new().name("guest".to_owned()).spawn_on(&runtime, || 7).unwrap();
    /// runtime.run_until_stalled();
    /// assert_eq!(handle.join().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn spawn_on<F, T>(self, runtime: &Runtime, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        runtime.spawn_on(self.stack_bytes, self.name, f).map(JoinHandle::new)
    }
}
