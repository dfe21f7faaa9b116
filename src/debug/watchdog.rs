//! The watchdog reports green threads that do not let others run.

use std::fmt;
use std::io;
use std::panic::Location;
use std::thread;
use std::time::Duration;

use crate::inspect::debug::{self, WatchEnd, print, watch};
use crate::kernel::{ThreadId, scheduler};

/// A guard that watches a runtime until it is dropped; made by [`watch_hogs`].
#[must_use = "the watchdog ends when this is dropped"]
pub struct Watchdog {
    end: WatchEnd,
    thread: Option<thread::JoinHandle<()>>,
}

/// A green thread that has run for longer than the watchdog's limit, and its backtrace. `Display`
/// prints both, with the functions and lines of the program, and what to use instead of the call that
/// blocks; `{:#}` prints all frames.
pub struct Hog(debug::Hog);

/// Watches the runtime, and prints a report to standard error when a green thread has run for longer
/// than `limit` without letting others run: the green thread, the place of its spawn, and its
/// backtrace at that moment. A green thread is reported once, until it lets others run.
///
/// Green threads switch only where they wait, yield or end, so a green thread that computes for long,
/// or blocks the OS thread, stops all others. A runtime that sleeps because no green thread can run is
/// not reported.
///
/// An OS thread of its own watches the runtime, four times in each `limit`, but not more often than
/// once in a millisecond. A report comes at most half a `limit` late. Switches cost the same as
/// without the watchdog.
///
/// The watchdog ends when the [`Watchdog`] is dropped, or with the runtime.
///
/// With musl the backtrace is the innermost function alone: the unwinder does not pass the frame of a
/// signal, for which musl has no unwind table.
///
/// The environment variable `LENO_WATCH`, a duration as in `LENO_WATCH=200ms` or `LENO_WATCH=1s`, has
/// every runtime of a program watched in this way from its beginning, without a change to the program.
///
/// # Errors
///
/// If the program has a handler for SIGURG, the signal with which the watchdog makes the runtime's OS
/// thread capture its backtrace. (The OS thread goes on afterwards; a system call that does not
/// restart by itself may fail with EINTR.) If there can be no more OS threads. On systems other than
/// Linux.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// leno::run(|| {
///     let _watchdog = leno::debug::watch_hogs(Duration::from_millis(200))?;
///     // ...
///     Ok::<(), std::io::Error>(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn watch_hogs(limit: Duration) -> io::Result<Watchdog> {
    watch_hogs_with(limit, |hog| print(&hog.0))
}

/// Watches the runtime as [`watch_hogs`] does, and calls `report` instead of printing, on the
/// watchdog's own OS thread.
///
/// # Errors
///
/// As [`watch_hogs`].
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// leno::run(|| {
///     let limit = Duration::from_millis(200);
///     let _watchdog = leno::debug::watch_hogs_with(limit, |hog| eprintln!("{hog:#}"))?;
///     // ...
///     Ok::<(), std::io::Error>(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn watch_hogs_with(
    limit: Duration,
    mut report: impl FnMut(Hog) + Send + 'static,
) -> io::Result<Watchdog> {
    let scheduler = scheduler("leno::debug::watch_hogs");
    let (end, thread) = watch(scheduler, limit, move |hog| report(Hog(hog)))?;
    Ok(Watchdog { end, thread: Some(thread) })
}

impl Drop for Watchdog {
    /// Waits until a report in progress is finished.
    fn drop(&mut self) {
        self.end.end();
        if let Some(thread) = self.thread.take() {
            // A panic of `report` has been printed already.
            let _ = thread.join();
        }
    }
}

impl Hog {
    /// Returns the identifier of the green thread.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// Returns the name of the green thread, if it has one: at most the first 128 bytes.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the place where the green thread was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.0.spawned_at
    }

    /// Returns a lower bound of the time for which the green thread had run.
    #[must_use]
    pub fn has_run(&self) -> Duration {
        self.0.has_run
    }
}

impl fmt::Display for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hog")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("has_run", &self.has_run())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}
