//! Something to be done once.

use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::holder;
use crate::runtime::{
    Need, Outcome, Resource, Wait, WaitFor, WaitList, checkpoint, interrupted, scheduler,
};

/// A closure that runs once, whoever comes first, as [`std::sync::Once`].
///
/// # Examples
///
/// ```
/// use leno::sync::Once;
///
/// let (greeting, mut greeted) = (Once::new(), 0);
/// for _ in 0..3 {
///     greeting.call_once(|| greeted += 1);
/// }
/// assert_eq!(greeted, 1);
/// ```
pub struct Once {
    state: Cell<State>,
    waiting: WaitList<()>,
    /// Its holder is the one who runs the closure.
    resource: Resource,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// A closure has panicked, or its green thread was cancelled.
    Poisoned,
    Running,
    Done,
}

/// What [`Once::call_once_force`] tells its closure.
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Has an earlier closure panicked, or been cancelled?
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// A closure runs; when this is dropped, it has ended.
struct Run<'a> {
    once: &'a Once,
    end: State,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.once.state.set(self.end);
        self.once.resource.set_holder(None);
        self.once.waiting.wake_all();
    }
}

impl Once {
    /// One for which no closure has run.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Once {
        Once::of("once")
    }

    #[track_caller]
    pub(super) const fn of(kind: &'static str) -> Once {
        Once {
            state: Cell::new(State::New),
            waiting: WaitList::new(),
            resource: Resource::new(kind),
        }
    }

    /// Runs `f`, unless a closure has run for this before. If one runs just now,
    /// waits for its end.
    ///
    /// A closure that calls this for the same `Once` waits for itself.
    ///
    /// # Panics
    ///
    /// If `f` panics. From then on each call panics, until
    /// [`call_once_force`](Once::call_once_force) succeeds. If it has to wait
    /// outside a runtime.
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        self.call("Once::call_once", false, |_| f());
    }

    /// As [`call_once`](Once::call_once), but also runs `f` if earlier closures
    /// have panicked.
    ///
    /// # Panics
    ///
    /// If `f` panics. If it has to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        self.call("Once::call_once_force", true, f);
    }

    /// Has a closure run to its end?
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state.get() == State::Done
    }

    /// Waits until a closure has run to its end.
    ///
    /// # Panics
    ///
    /// If a closure has panicked. If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait(&self) {
        self.wait_for_end("Once::wait", false);
    }

    /// As [`wait`](Once::wait), but goes on waiting if a closure has panicked.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait_force(&self) {
        self.wait_for_end("Once::wait_force", true);
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn call(
        &self,
        function: &'static str,
        ignore_poison: bool,
        f: impl FnOnce(&OnceState),
    ) {
        if !self.is_completed() {
            self.call_slow(function, ignore_poison, f);
        }
    }

    #[cold]
    #[track_caller]
    fn call_slow(&self, function: &'static str, ignore_poison: bool, f: impl FnOnce(&OnceState)) {
        checkpoint();
        while self.state.get() == State::Running {
            self.wait_for_change(function);
        }
        match self.state.get() {
            State::Done => return,
            State::Poisoned if !ignore_poison => poisoned(function),
            State::New | State::Poisoned | State::Running => {}
        }
        let state = OnceState { poisoned: self.state.get() == State::Poisoned };
        self.state.set(State::Running);
        self.resource.set_holder(Some(holder()));
        let mut run = Run { once: self, end: State::Poisoned };
        f(&state);
        run.end = State::Done;
    }

    #[track_caller]
    pub(super) fn wait_for_end(&self, function: &'static str, ignore_poison: bool) {
        if self.is_completed() {
            return;
        }
        checkpoint();
        while !self.is_completed() {
            if self.state.get() == State::Poisoned && !ignore_poison {
                poisoned(function);
            }
            self.wait_for_change(function);
        }
    }

    /// Waits until a closure has ended, one way or another.
    #[track_caller]
    fn wait_for_change(&self, function: &'static str) {
        let scheduler = scheduler(function);
        let need = Need { what: "the completion of", resource: &self.resource };
        let wait = Wait::new(WaitFor::Resource(need));
        let (outcome, _) = self.waiting.wait(scheduler, None, &wait, None);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
    }

    /// As if nothing had run.
    pub(super) fn reset(&mut self) {
        self.state.set(State::New);
    }

    /// Names it, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }
}

#[cold]
#[track_caller]
fn poisoned(function: &'static str) -> ! {
    panic!("{function}: an earlier closure has panicked or been cancelled")
}

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
