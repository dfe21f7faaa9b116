//! The panic hook. It names the green thread that panics, which std's hook calls by the name of its
//! OS thread, and tells cancellation while a hook runs.

#![forbid(unsafe_code)]

use std::panic;
use std::ptr;
use std::sync::Once;

use crate::cancel::unwind;
use crate::inspect::deadlock::label;
use crate::kernel::try_scheduler;
use crate::sys;
use crate::sys::panics;

/// Installs the hook, once in a process. It calls the hook that was there before.
///
/// It adds a line only to what std's own hook prints. A hook of the program prints what it likes,
/// and replaces this one if it is set later.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    // An OS thread that panics may not change the hook: then the next runtime does.
    if !INSTALLED.is_completed() && !std::thread::panicking() {
        INSTALLED.call_once(|| {
            let before = panic::take_hook();
            // To take the hook has put std's in its place. That one has no size and no address of
            // its own, so it is told by its vtable.
            let is_std = ptr::eq(&raw const *before, &raw const *panic::take_hook());
            panic::set_hook(Box::new(move |info| {
                if is_std {
                    name_thread();
                }
                let _running = Running::begin();
                before(info);
            }));
        });
    }
}

/// Prints which green thread panics, unless it is the main one.
fn name_thread() {
    if let Some(scheduler) = try_scheduler()
        && scheduler.current().number() != 1
    {
        let line = format!("leno: green thread {} panics\n", label(scheduler.current()));
        // Not by `eprintln`: a panic because of a broken pipe would end the process here.
        sys::write_stderr(line.as_bytes());
    }
}

/// A hook that runs on this OS thread. It may wait.
struct Running;

impl Running {
    fn begin() -> Running {
        panics::hook_begins();
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        panics::hook_ends();
        if let Some(scheduler) = try_scheduler() {
            unwind::wake_due(scheduler);
        }
    }
}
