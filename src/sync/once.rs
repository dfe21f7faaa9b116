//! A closure that runs once.

use std::cell::Cell;
use std::fmt;

use super::holder;
use crate::access::{Access, Accessed, Observed, is_reported};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, WaitQueue, Want, checkpoint, scheduler};

/// A closure that runs once, for the first thread that asks, as [`std::sync::Once`].
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
    progress: Observed<Progress>,
}

/// The [holder](Accessed::holder) is the thread that runs the closure.
struct Progress {
    state: Cell<State>,
    waiting: WaitQueue<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// A closure has panicked, or its green thread was cancelled.
    Poisoned,
    Running,
    Done,
    /// As `Done`, in a run with reports: reads have to be reported. So a thread that reads
    /// `Done` need not ask whether they are.
    DoneReported,
}

/// The argument of a closure of [`Once::call_once_force`].
///
/// # Examples
///
/// See [`Once::call_once_force`].
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Returns `true` if an earlier closure has panicked or been cancelled.
    ///
    /// # Examples
    ///
    /// See [`Once::call_once_force`].
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// A closure that runs, until this is dropped.
struct Run<'a> {
    once: &'a Once,
    end: State,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let progress = self.once.progress.note_where_held(Access::Write, "end");
        let is_done = self.end == State::Done;
        let end = if is_done && is_reported() { State::DoneReported } else { self.end };
        progress.state.set(end);
        progress.set_holder(None);
        progress.waiting.wake_all();
    }
}

impl Once {
    /// Creates a `Once` for which no closure has run.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!leno::sync::Once::new().is_completed());
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new() -> Once {
        Once::of("once")
    }

    /// Creates a `Once` that is part of a primitive of this kind.
    #[track_caller]
    pub(super) const fn of(kind: &'static str) -> Once {
        let progress = Progress { state: Cell::new(State::New), waiting: WaitQueue::new() };
        Once { progress: Observed::new(kind, progress) }
    }

    /// Runs `f`, unless a closure has run before. Waits for the end of a closure that runs.
    ///
    /// After the closure has run, this costs one comparison. A closure that calls this for
    /// the same `Once` waits for itself.
    ///
    /// # Panics
    ///
    /// If `f` panics. From then on each call panics, until
    /// [`call_once_force`](Once::call_once_force) succeeds. If it has to wait outside a
    /// runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless a closure has run before.
    ///
    /// # Examples
    ///
    /// See [`Once`].
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        self.call("Once::call_once", false, |_| f());
    }

    /// Runs `f` as [`call_once`](Once::call_once), but also if earlier closures have
    /// panicked.
    ///
    /// # Panics
    ///
    /// If `f` panics. If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`call_once`](Once::call_once).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Once;
    ///
    /// let once = Once::new();
    /// once.call_once_force(|state| assert!(!state.is_poisoned()));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        self.call("Once::call_once_force", true, f);
    }

    /// Returns `true` if a closure has run to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// let once = leno::sync::Once::new();
    /// once.call_once(|| ());
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.is_done_unreported() || self.look()
    }

    /// Returns `true` if a closure has run to its end in a run without reports.
    #[inline(always)]
    fn is_done_unreported(&self) -> bool {
        let progress = self.progress.unreported("`Done` is final, and its write was not reported");
        progress.state.get() == State::Done
    }

    /// Returns `true` if a closure has run to its end, and reports the read.
    #[cold]
    #[track_caller]
    fn look(&self) -> bool {
        self.progress.note(Access::Read, "look at").is_done()
    }

    /// Waits until a closure has run to its end.
    ///
    /// # Panics
    ///
    /// If a closure has panicked. If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless a closure has run before.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::Once;
    ///
    /// leno::run(|| {
    ///     let once = Once::new();
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| once.call_once(leno::yield_now));
    ///         once.wait();
    ///         assert!(once.is_completed());
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) {
        self.wait_for_end("Once::wait", false);
    }

    /// Waits as [`wait`](Once::wait), but continues if a closure has panicked.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Once::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let once = leno::sync::Once::new();
    /// once.call_once(|| ());
    /// once.wait_force();
    /// ```
    #[track_caller]
    pub fn wait_force(&self) {
        self.wait_for_end("Once::wait_force", true);
    }

    /// Runs `f` unless a closure has run before. `function` is the public function that needs
    /// a runtime if it waits.
    #[inline(always)]
    #[track_caller]
    pub(super) fn call(
        &self,
        function: &'static str,
        ignore_poison: bool,
        f: impl FnOnce(&OnceState),
    ) {
        if !self.is_done_unreported() {
            self.call_slow(function, ignore_poison, f);
        }
    }

    /// Runs `f` as [`Once::call`], where no closure has run to its end in a run without reports.
    #[cold]
    #[track_caller]
    fn call_slow(&self, function: &'static str, ignore_poison: bool, f: impl FnOnce(&OnceState)) {
        let mut progress = self.progress.note(Access::Read, "look at");
        if progress.is_done() {
            return;
        }
        checkpoint();
        while progress.state.get() == State::Running {
            progress = self.wait_for_change(function);
        }
        match progress.state.get() {
            State::Done | State::DoneReported => return,
            State::Poisoned if !ignore_poison => poisoned(function),
            State::New | State::Poisoned | State::Running => {}
        }
        let progress = self.progress.also(Access::Write);
        let state = OnceState { poisoned: progress.state.get() == State::Poisoned };
        progress.state.set(State::Running);
        progress.set_holder(Some(holder()));
        let mut run = Run { once: self, end: State::Poisoned };
        f(&state);
        run.end = State::Done;
    }

    /// Waits until a closure has run to its end.
    #[track_caller]
    pub(super) fn wait_for_end(&self, function: &'static str, ignore_poison: bool) {
        if self.is_done_unreported() {
            return;
        }
        let mut progress = self.progress.note(Access::Read, "look at");
        if progress.is_done() {
            return;
        }
        checkpoint();
        while !progress.is_done() {
            if progress.state.get() == State::Poisoned && !ignore_poison {
                poisoned(function);
            }
            progress = self.wait_for_change(function);
        }
    }

    /// Waits until a closure has ended, by a return or a panic.
    #[track_caller]
    fn wait_for_change(&self, function: &'static str) -> Accessed<'_, Progress> {
        let scheduler = scheduler(function);
        let progress = self.progress.also(Access::Write);
        let (outcome, _) =
            progress.wait(|progress| &progress.waiting, Want::Completion, scheduler, None, None);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        // Another closure may have begun before this thread ran.
        self.progress.note(Access::Read, "look at")
    }

    /// Returns to the state in which no closure has run.
    pub(super) fn reset(&mut self) {
        self.progress.get_mut().state.set(State::New);
    }

    /// Names the `Once` for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::Once::new().set_name("greeting");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.progress.set_name(name.into());
    }
}

impl Progress {
    /// Returns `true` if a closure has run to its end.
    fn is_done(&self) -> bool {
        matches!(self.state.get(), State::Done | State::DoneReported)
    }
}

/// Panics, since an earlier closure has panicked.
#[cold]
#[track_caller]
fn poisoned(function: &'static str) -> ! {
    panic!("{function}: an earlier closure has panicked or been cancelled")
}

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
