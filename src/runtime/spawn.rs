//! Spawned green threads: their ownership, and the scopes of threads that borrow.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::access::{Access, Object, also, look, note};
use crate::cancel::{self, interrupted};
use crate::kernel::{
    ControlBlock, Outcome, Owned, Payload, ScopeMembers, ThreadInfo, WaitFor, WaitQueue,
    checkpoint, scheduler, try_scheduler,
};
use crate::remote;
use crate::sys;
use crate::timer::deadline_after;

/// The join handle's part in the ownership of a green thread that returns a `T`, with the
/// accesses that an exploration must know of.
pub(crate) struct Spawned<T>(Owned<T>);

impl<T> Spawned<T> {
    #[inline(always)]
    pub(crate) fn new(owned: Owned<T>) -> Spawned<T> {
        Spawned(owned)
    }

    #[inline(always)]
    fn control(&self) -> &ControlBlock {
        self.0.control()
    }

    #[track_caller]
    pub(crate) fn is_finished(&self) -> bool {
        self.note_end();
        self.has_ended()
    }

    #[inline(always)]
    #[track_caller]
    fn note_end(&self) {
        note(Object::End(self.control().number()), Access::Read, "join");
    }

    #[inline(always)]
    fn has_ended(&self) -> bool {
        self.control().is_finished()
    }

    pub(crate) fn info(&self) -> &Rc<ThreadInfo> {
        self.control().info()
    }

    #[track_caller]
    pub(crate) fn cancel(&self) {
        note(Object::Unwinding(self.control().number()), Access::Write, "cancel");
        cancel::cancel(self.control());
    }

    /// Waits for the end, for at most `timeout`. Says whether it has ended.
    #[track_caller]
    pub(crate) fn wait_for(&self, timeout: Duration, at: &'static Location<'static>) -> bool {
        self.note_end();
        // Outside a runtime there is no deadline, and `wait` panics.
        let deadline = try_scheduler().and_then(|scheduler| deadline_after(scheduler, timeout));
        self.wait(deadline, at)
    }

    /// Waits for the end, or until `deadline`. Says whether it has ended.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn wait(&self, deadline: Option<u64>, at: &'static Location<'static>) -> bool {
        if self.has_ended() {
            return true;
        }
        let scheduler = scheduler("JoinHandle::join");
        // mistake: cancelled-join-waits
        scheduler.checkpoint();
        match scheduler.wait_for_end(self.control(), deadline, at) {
            Outcome::Woken => true,
            Outcome::Elapsed => self.has_ended(),
            Outcome::Interrupted => interrupted(),
        }
    }

    /// Returns the end of the thread, for a select.
    pub(crate) fn end(&self) -> End<'_> {
        End(self.control())
    }

    /// Wakes `waker` at the end of the thread. Returns `false` if it has ended.
    #[track_caller]
    pub(crate) fn wake_at_end(&self, waker: &Waker) -> bool {
        self.note_end();
        !self.has_ended() && {
            remote::wake_at_end(self.control(), waker);
            true
        }
    }

    /// Returns the result of a thread that has ended.
    #[inline(always)]
    pub(crate) fn take(self) -> Result<T, Payload> {
        self.0.take()
    }

    /// Waits for the end, and takes the result.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn join(self) -> Result<T, Payload> {
        let end = Object::End(self.control().number());
        let at = Location::caller();
        match try_scheduler() {
            // One test in place of three: no operation is told, and none unwinds.
            Some(scheduler) if !scheduler.is_eventful() => {
                if !self.has_ended()
                    && scheduler.wait_for_end(self.control(), None, at) == Outcome::Interrupted
                {
                    interrupted();
                }
            }
            _ => {
                look(end, "join");
                self.wait(None, at);
            }
        }
        also(end, Access::Await);
        self.take()
    }
}

/// The end of a green thread, as an alternative of a select. Its join handle is borrowed.
///
/// Public, since a trait of join handles names it. Nothing outside can use it.
#[derive(Clone, Copy)]
pub struct End<'a>(&'a ControlBlock);

impl<'a> End<'a> {
    /// Returns `true` if the thread has ended. The select has reported the access.
    pub(crate) fn has_come(self) -> bool {
        self.0.is_finished()
    }

    /// Returns what a select waits for.
    pub(crate) fn wait_for(self) -> WaitFor<'a> {
        WaitFor::Join(self.0)
    }

    /// Returns the queue of the selects that wait for the end, which has not come.
    pub(crate) fn selects(self) -> &'a WaitQueue<()> {
        remote::selects_on_end(self.0)
    }

    /// Orders what a select does that was woken by the end after all that the thread has done.
    pub(crate) fn has_been_awaited(self) {
        also(Object::End(self.0.number()), Access::Await);
    }
}

/// A scope for green threads that borrow; see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    state: ScopeMembers,
    /// Set while [`Scope::enclose`] waits for what is spawned.
    is_open: Cell<bool>,
    // Invariant, so that neither lifetime can shrink or grow.
    scope: PhantomData<Cell<&'scope ()>>,
    env: PhantomData<Cell<&'env ()>>,
}

/// Runs `f` with a [`Scope`] in which green threads can be spawned that borrow
/// from outside it. Returns when all of them have ended.
///
/// # Panics
///
/// If `f` panics. If a green thread of the scope has panicked and was not joined.
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let mut letters = ["a", "b"];
///     leno::scope(|scope| {
///         for letter in &mut letters {
///             scope.spawn(move || *letter = "c");
///         }
///     });
///     assert_eq!(letters, ["c", "c"]);
/// });
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let at = Location::caller();
    let scope = Scope::new("leno::scope");
    let result = scope.enclose(at, || f(&scope));
    match result {
        Err(payload) => panic::resume_unwind(payload),
        Ok(value) => {
            checkpoint();
            assert!(!scope.state.has_unseen_panics(), "a scoped green thread panicked");
            value
        }
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Returns a scope in which nothing can be spawned before [`Scope::enclose`].
    ///
    /// # Panics
    ///
    /// Outside a runtime. `function` is what needs it.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn new(function: &'static str) -> Scope<'scope, 'env> {
        scheduler(function);
        Scope {
            state: ScopeMembers::new(),
            is_open: Cell::new(false),
            scope: PhantomData,
            env: PhantomData,
        }
    }

    /// Runs `f`, in which green threads can be spawned in this scope, and returns
    /// when all of them have ended. Gives what `f` returned, or its panic.
    pub(crate) fn enclose<T>(
        &'scope self,
        at: &'static Location<'static>,
        f: impl FnOnce() -> T,
    ) -> Result<T, Payload> {
        self.is_open.set(true);
        let result = panic::catch_unwind(AssertUnwindSafe(f));
        // In a controlled run, the wait is reported even if it is over at once.
        if self.state.is_running() || self.state.number().get() != 0 {
            self.wait_at_end(at);
        }
        self.is_open.set(false);
        result
    }

    /// Waits until all its green threads have ended. Nothing unwinds the caller.
    #[inline(never)]
    fn wait_at_end(&self, at: &'static Location<'static>) {
        // A coroutine may have carried the caller elsewhere in the meantime.
        match try_scheduler() {
            Some(scheduler) => {
                // The green threads borrow the caller's frame.
                let flags = scheduler.current().cancel_flags();
                flags.protect(|| scheduler.wait_for_scope(&self.state, at));
            }
            None => carried_outside(),
        }
    }

    /// Waits until all its green threads have ended, or until the caller is
    /// unwound. Called inside [`Scope::enclose`], on the same thread.
    pub(crate) fn join_all(&self, at: &'static Location<'static>) {
        checkpoint();
        if self.state.is_running() && !scheduler("leno::scope").join_scope(&self.state, at) {
            interrupted();
        }
    }
}

#[cold]
fn carried_outside() -> ! {
    sys::abort(&[
        b"leno: a coroutine has carried a scope out of its runtime, and there it ends before the \
          green threads that borrow from it\n\
          leno: resume or drop the coroutine inside the runtime\n",
    ])
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a green thread in the scope.
    #[track_caller]
    pub(crate) fn spawn_on<F, T>(
        &'scope self,
        function: &'static str,
        stack_bytes: Option<usize>,
        name: Option<String>,
        f: F,
    ) -> io::Result<Owned<T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let scheduler = scheduler(function);
        let stack = scheduler.stack(stack_bytes)?;
        assert!(self.is_open.get(), "the scope has ended");
        // SAFETY: the scope is open, so its `enclose` has not returned, and does
        // not before the green thread has ended. `'scope` is at least that long,
        // as the borrow that `enclose` has. `Spawned` takes the handle's part.
        Ok(unsafe {
            scheduler.spawn_unchecked(stack, name, Some(&self.state), Location::caller(), f)
        })
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
