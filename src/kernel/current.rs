//! The runtime that an OS thread is in now.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering;

use crate::kernel::control_block::ControlBlock;
use crate::kernel::scheduler::Scheduler;
use crate::kernel::slow_path::hook;

thread_local! {
    static SCHEDULER: Cell<*const Scheduler> = const { Cell::new(ptr::null()) };
}

/// The scheduler of the runtime that the caller runs in.
///
/// # Panics
///
/// If there is none. `function` is the name of the public function that needs it.
#[inline(always)]
#[track_caller]
pub(crate) fn scheduler(function: &'static str) -> &'static Scheduler {
    match try_scheduler() {
        Some(scheduler) => scheduler,
        None => outside(function),
    }
}

/// The scheduler of the runtime that the caller runs in, if it runs in one.
#[inline(always)]
pub(crate) fn try_scheduler() -> Option<&'static Scheduler> {
    // SAFETY: `Installed` clears the pointer before the scheduler goes away. The
    // lifetime is a white lie: it ends with the runtime that the caller is in,
    // and callers keep it no longer than that.
    unsafe { SCHEDULER.get().as_ref() }
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside(function: &'static str) -> ! {
    panic!("{function} needs a runtime: call it from inside leno::run")
}

/// To be called by whatever may wait, before it does anything: unwinds if the
/// green thread is to be unwound. Outside a runtime nothing is.
#[inline(always)]
pub(crate) fn checkpoint() {
    if let Some(scheduler) = try_scheduler() {
        scheduler.checkpoint();
    }
}

/// Unwinds the current green thread, after [`Outcome::Interrupted`].
#[cold]
#[inline(never)]
pub(crate) fn interrupted() -> ! {
    scheduler("waiting").current().throw()
}

/// Runs `f` as if outside the runtime: there is none that it could use.
pub(crate) fn without_runtime<T>(f: impl FnOnce() -> T) -> T {
    struct Back(*const Scheduler);
    impl Drop for Back {
        fn drop(&mut self) {
            SCHEDULER.set(self.0);
        }
    }
    let _back = Back(SCHEDULER.replace(ptr::null()));
    f()
}

/// The scheduler is this OS thread's for as long as this lives.
pub(crate) struct Installed {
    /// The runtime around it.
    previous: *const Scheduler,
}

impl Installed {
    /// # Panics
    ///
    /// If the OS thread has one already. `function` is the name of the public
    /// function that would bring another.
    #[track_caller]
    pub(crate) fn new(
        function: &'static str,
        scheduler: &Scheduler,
        main: &ControlBlock,
    ) -> Installed {
        assert!(
            SCHEDULER.get().is_null(),
            "{function} was called inside leno::run: this OS thread has a runtime already; use \
             leno::spawn or leno::scope to run more green threads in it"
        );
        Installed::for_now(scheduler, main)
    }

    /// As `new`; if the OS thread has one already, that one waits for us.
    #[inline]
    pub(crate) fn for_now(scheduler: &Scheduler, main: &ControlBlock) -> Installed {
        scheduler.main.set(main);
        scheduler.current.set(main);
        scheduler.set_hooks(hook::OUTSIDE, false);
        scheduler.is_away.store(false, Ordering::Relaxed);
        let previous = SCHEDULER.replace(scheduler);
        scheduler.trace_enter();
        Installed { previous }
    }
}

impl Drop for Installed {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is there, and set, while this lives.
        let scheduler = unsafe { &*SCHEDULER.replace(self.previous) };
        scheduler.trace_return();
        scheduler.set_hooks(hook::OUTSIDE, true);
        scheduler.is_away.store(true, Ordering::Relaxed);
    }
}
