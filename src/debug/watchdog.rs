//! The watchdog: it barks at a green thread that does not let others run.

use std::fmt;
use std::io::{self, Write};
use std::panic::Location;
use std::thread;
use std::time::Duration;

use super::symbols::Symbols;
use crate::inspect::WatchEnd;
use crate::inspect::hog_sampler::watch;
use crate::kernel::{ThreadId, scheduler};

/// Watches a runtime until it is dropped; see [`watch_hogs`].
#[must_use = "the watchdog goes when this is dropped"]
pub struct Watchdog {
    end: WatchEnd,
    thread: Option<thread::JoinHandle<()>>,
}

/// A green thread that has run for longer than the watchdog's limit, and where it
/// is. `Display` prints that, with the functions and lines of the program; `{:#}`
/// prints all frames.
pub struct Hog(crate::inspect::Hog);

/// Watches the runtime, and prints a report to standard error when a green thread
/// has run for longer than `limit` without letting others run: which one, spawned
/// where, and its backtrace at that moment. Each is reported once, until it lets
/// others run.
///
/// Green threads take turns only where they wait, yield or end, so one that
/// computes for long, or calls something that blocks the OS thread, stops all
/// others. The runtime sleeping because nobody can run is not that.
///
/// The watching is done by an OS thread of its own, which looks at the runtime
/// four times in each `limit`, but not more often than each millisecond. A report
/// comes at most half a `limit` late. Switches cost the same as without.
///
/// It ends when the [`Watchdog`] is dropped, or with the runtime.
///
/// # Errors
///
/// If the program has a handler for SIGURG, by which the runtime's OS thread is
/// made to look at itself. (What it is doing goes on afterwards; a system call
/// that does not restart by itself may fail with EINTR.) If there can be no more
/// OS threads. On systems other than Linux.
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
    watch_hogs_with(limit, |hog| {
        let text = format!("leno: {hog}\n");
        // Whoever has closed standard error does not want it.
        let _ = io::stderr().write_all(text.as_bytes());
    })
}

/// As [`watch_hogs`], and calls `report` instead of printing. It is called on the
/// watchdog's own OS thread.
///
/// # Errors
///
/// As [`watch_hogs`].
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub fn watch_hogs_with(
    limit: Duration,
    mut report: impl FnMut(Hog) + Send + 'static,
) -> io::Result<Watchdog> {
    let (mut watch, end) = watch(scheduler("leno::debug::watch_hogs"), limit)?;
    let watching = thread::Builder::new().name("leno watchdog".to_owned()).spawn(move || {
        while let Some(hog) = watch.next_hog() {
            report(Hog(hog));
        }
    });
    match watching {
        Ok(thread) => Ok(Watchdog { end, thread: Some(thread) }),
        Err(error) => {
            end.end();
            Err(error)
        }
    }
}

impl Drop for Watchdog {
    /// Waits until a report that is just being made is finished.
    fn drop(&mut self) {
        self.end.end();
        if let Some(thread) = self.thread.take() {
            // A panic of the report has been printed.
            let _ = thread.join();
        }
    }
}

impl Hog {
    /// Which green thread it is.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// Its name, if it has one; of a long one the first 128 bytes.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Where it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.0.spawned_at
    }

    /// For how long it had run, at least.
    #[must_use]
    pub fn has_run(&self) -> Duration {
        self.0.has_run
    }
}

impl fmt::Display for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "green thread '{name}' ({})", self.id())?,
            None => write!(f, "green thread {}", self.id())?,
        }
        write!(
            f,
            " has run for {:.0?} without letting others run\n  spawned at {}",
            self.has_run(),
            self.spawned_at()
        )?;
        Symbols::new(f.alternate()).print(f, &self.0.frames, self.0.has_more_frames)
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
