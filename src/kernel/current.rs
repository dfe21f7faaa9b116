//! What is current on an OS thread: the runtime, and the panics that its green threads are in
//! the middle of.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::Ordering;

use super::control_block::{ControlBlock, Payload};
use super::scheduler::Scheduler;
use super::slow_path::slow;

thread_local! {
    static SCHEDULER: Cell<*const Scheduler> = const { Cell::new(ptr::null()) };
}

/// Returns the scheduler of the runtime that the caller runs in.
///
/// # Panics
///
/// Outside a runtime. `function` is the name of the public function that needs one.
#[inline(always)]
#[track_caller]
pub(crate) fn scheduler(function: &'static str) -> &'static Scheduler {
    match try_scheduler() {
        Some(scheduler) => scheduler,
        None => outside(function),
    }
}

/// Returns the scheduler of the runtime that the caller runs in, if it runs in one.
#[inline(always)]
pub(crate) fn try_scheduler() -> Option<&'static Scheduler> {
    // SAFETY: `Installed` clears the pointer before the scheduler goes away. The lifetime ends
    // with the runtime that the caller is in, and callers keep the reference no longer: after
    // code of the program that may carry a frame to another runtime, they ask again.
    unsafe { SCHEDULER.get().as_ref() }
}

/// Returns `true` if the caller is code of a main green thread, which has no stack of its own.
/// Async-signal-safe.
pub(crate) fn is_main() -> bool {
    try_scheduler().is_some_and(|scheduler| scheduler.current().stack().is_none())
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside(function: &'static str) -> ! {
    panic!("{function} needs a runtime: call it from inside leno::run")
}

/// Unwinds the current green thread if that is pending. Everything that may wait calls this
/// first. Does nothing outside a runtime.
#[inline(always)]
pub(crate) fn checkpoint() {
    if let Some(scheduler) = try_scheduler() {
        scheduler.checkpoint();
    }
}

/// Runs `f` as if outside the runtime.
fn without_runtime<T>(f: impl FnOnce() -> T) -> T {
    struct Back(*const Scheduler);
    impl Drop for Back {
        fn drop(&mut self) {
            SCHEDULER.set(self.0);
        }
    }
    let _back = Back(SCHEDULER.replace(ptr::null()));
    f()
}

impl Scheduler {
    /// Runs code of the program where switching is forbidden, on the stack of a thread that
    /// waits already or has ended. The code finds no runtime, and the stack stays where it is
    /// even if the code gives it up. Returns its panic.
    pub(crate) fn without_switching<T>(&self, f: impl FnOnce() -> T) -> Result<T, Payload> {
        let control = self.current();
        let has_ended = control.is_finished();
        if has_ended {
            control.borrow_frame(true);
        }
        let result = panic::catch_unwind(AssertUnwindSafe(|| without_runtime(f)));
        if has_ended {
            control.borrow_frame(false);
        }
        result
    }
}

/// Makes a scheduler that of the OS thread, for as long as this lives.
pub(crate) struct Installed {
    /// The runtime around it.
    previous: *const Scheduler,
}

impl Installed {
    /// Installs a scheduler, with the control block of its main thread.
    ///
    /// # Panics
    ///
    /// If the OS thread has one already. `function` is the name of the public function that
    /// would bring another.
    ///
    /// # Safety
    ///
    /// Both must outlive the returned value.
    #[track_caller]
    pub(crate) unsafe fn new(
        function: &'static str,
        scheduler: &Scheduler,
        main: &ControlBlock,
    ) -> Installed {
        assert!(
            SCHEDULER.get().is_null(),
            "{function} was called inside leno::run: this OS thread has a runtime already; use \
             leno::spawn or leno::scope to run more green threads in it"
        );
        // SAFETY: the caller's contract.
        unsafe { Installed::nested(scheduler, main) }
    }

    /// Installs a scheduler as [`Installed::new`] does. If the OS thread has one already, that
    /// one waits.
    ///
    /// # Safety
    ///
    /// Both must outlive the returned value.
    #[inline]
    pub(crate) unsafe fn nested(scheduler: &Scheduler, main: &ControlBlock) -> Installed {
        // SAFETY: the main thread outlives the returned value, and so all use.
        unsafe { scheduler.set_main(main) };
        scheduler.set_current(main);
        scheduler.set_slow(slow::OUTSIDE, false);
        scheduler.is_away().store(false, Ordering::Relaxed);
        let previous = SCHEDULER.replace(scheduler);
        Installed { previous }
    }
}

impl Drop for Installed {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the scheduler is set, and exists, while this lives.
        let scheduler = unsafe { &*SCHEDULER.replace(self.previous) };
        scheduler.set_slow(slow::OUTSIDE, true);
        scheduler.is_away().store(true, Ordering::Relaxed);
    }
}

/// Returns `true` if the current green thread is in the middle of a panic. It is not if only
/// others are, which wait in destructors: [`std::thread::panicking`] cannot tell the two apart.
#[inline(always)]
pub(crate) fn is_panicking() -> bool {
    std::thread::panicking() && panics::is_own()
}

/// Returns `true` if `payload` unwinds the current green thread; see
/// [`ControlBlock::is_unwound_by`].
pub(crate) fn is_unwound_by(payload: &Payload) -> bool {
    try_scheduler().is_some_and(|scheduler| scheduler.current().is_unwound_by(payload))
}

/// The panics of the green threads of this OS thread.
pub(super) mod panics {
    use super::try_scheduler;
    use crate::sys::panics;

    /// Returns `true` if the current green thread is in the middle of one of the panics.
    #[cold]
    #[inline(never)]
    pub(super) fn is_own() -> bool {
        // mistake: own-panic-unnoticed
        panics::suspended() == 0 || own() > 0
    }

    /// Returns the number of panics that the current green thread is in the middle of. Where
    /// std's count is unknown, it tells a thread that the runtime unwinds from others, and
    /// takes any other panic for one of a suspended thread.
    fn own() -> usize {
        panics::own().unwrap_or_else(|| {
            let is_unwound = || try_scheduler().is_some_and(|it| it.current().is_being_unwound());
            usize::from(panics::suspended() == 0 || is_unwound())
        })
    }

    /// Notes that the current green thread is about to be left, and returns the number of
    /// panics that it is in the middle of.
    pub(crate) fn suspend() -> usize {
        let own = if std::thread::panicking() { own() } else { 0 };
        panics::suspend(own);
        own
    }

    /// Notes that a green thread goes on that is in the middle of `own` panics.
    pub(crate) fn resume(own: usize) {
        panics::resume(own);
    }
}
