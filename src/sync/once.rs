//! Something to be done once.

use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::holder;
use crate::access::{Access, Object, also, note, note_at};
use crate::cancel::interrupted;
use crate::kernel::{
    Need, Outcome, Resource, Wait, WaitFor, WaitQueue, Want, checkpoint, scheduler,
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
    waiting: WaitQueue<()>,
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
    /// As `Done`, and somebody is to be told of whoever looks. So those who find it
    /// `Done` need not ask.
    DoneTold,
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
        let resource = &self.once.resource;
        let at = resource.holder().map_or(resource.made_at(), |holder| holder.at);
        let told = note_at(self.once.object(), Access::Write, "end", at);
        let is_told = self.end == State::Done && told.is_some();
        self.once.state.set(if is_told { State::DoneTold } else { self.end });
        resource.set_holder(None);
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
            waiting: WaitQueue::new(),
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
    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.is_done_untold() || self.look()
    }

    /// Has a closure run to its end, before anybody wanted to be told of that?
    #[inline(always)]
    pub(super) fn is_done_untold(&self) -> bool {
        self.state.get() == State::Done
    }

    fn is_done(&self) -> bool {
        matches!(self.state.get(), State::Done | State::DoneTold)
    }

    #[cold]
    #[track_caller]
    fn look(&self) -> bool {
        note(self.object(), Access::Read, "look at");
        self.is_done()
    }

    fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
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
        if !self.is_done_untold() {
            self.call_slow(function, ignore_poison, f);
        }
    }

    #[cold]
    #[track_caller]
    fn call_slow(&self, function: &'static str, ignore_poison: bool, f: impl FnOnce(&OnceState)) {
        if self.look() {
            return;
        }
        checkpoint();
        while self.state.get() == State::Running {
            self.wait_for_change(function);
        }
        match self.state.get() {
            State::Done | State::DoneTold => return,
            State::Poisoned if !ignore_poison => poisoned(function),
            State::New | State::Poisoned | State::Running => {}
        }
        also(self.object(), Access::Write);
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
        while !self.is_done() {
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
        let need = Need { what: Want::Completion, resource: &self.resource };
        let wait = Wait::new(WaitFor::Resource(need));
        also(self.object(), Access::Write);
        let (outcome, _) = self.waiting.wait(scheduler, None, &wait, None);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        // Another closure may have begun before this one came to run.
        note(self.object(), Access::Read, "look at");
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
