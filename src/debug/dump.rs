//! The dump: the state and the backtrace of each green thread, as text.

use std::fmt;
use std::io::{self, Write};

#[cfg(feature = "net")]
use crate::driver;
use crate::inspect::deadlock::{Age, Table};
use crate::inspect::debug::{Doing, Frames, Seen, StackUse, Symbols, listen_for_signal, snapshot};
use crate::inspect::with_room;
use crate::kernel::{Scheduler, scheduler};

/// The state of every green thread of a runtime, made by [`dump`](dump()).
///
/// [`Display`](fmt::Display) prints it for people to read. The frames of leno and of the program's
/// start are left out; `{:#}` prints all frames, with their addresses. Each time it is printed,
/// functions and lines are looked up in the debug information of the program, which takes a moment.
/// Without debug information, only addresses are printed.
pub struct Dump {
    threads: Vec<Seen>,
    /// The name of the engine that waits for sockets, if a thread has waited for one.
    engine: Option<String>,
}

/// Captures the state of every green thread of the runtime: its wait or activity, the place of its
/// spawn, its use of stack memory, and its backtrace.
///
/// This takes some microseconds for each green thread; symbols are looked up when the [`Dump`] is
/// printed. No other green thread runs meanwhile.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// leno::Builder::new().virtual_time().run(|| {
///     let parked = leno::thread::Builder::new().name("parked".to_owned()).spawn(leno::thread::park)?;
///     leno::yield_now();
///     let dump = leno::debug::dump().to_string();
///     assert!(dump.contains("'parked' (#2)  has waited 0 s for unpark"), "{dump}");
///     parked.thread().unpark();
///     Ok::<(), std::io::Error>(())
/// })
/// # .unwrap();
/// ```
#[must_use]
#[track_caller]
pub fn dump() -> Dump {
    let scheduler = scheduler("leno::debug::dump");
    Dump::new(scheduler, snapshot(scheduler))
}

/// Makes the runtime print a [`dump`] to standard error when the process receives SIGUSR1, until the
/// runtime ends: at once if all green threads wait, otherwise after at most 64 switches. A green
/// thread that never switches delays it.
///
/// Each runtime that calls this prints its own dump, on any OS thread.
///
/// The signal handler belongs to the process, and calls the handler that was there before. It stays when the
/// last runtime has ended, and does nothing else then. A handler that is installed later replaces it.
///
/// # Errors
///
/// If the operating system refuses the handler.
///
/// # Panics
///
/// Outside a runtime. If the operating system has no more descriptors.
///
/// # Examples
///
/// ```no_run
/// leno::run(|| {
///     leno::debug::dump_on_sigusr1()?;
///     // `kill -USR1` prints what each green thread waits for.
///     leno::thread::park();
///     Ok::<(), std::io::Error>(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn dump_on_sigusr1() -> io::Result<()> {
    let scheduler = scheduler("leno::debug::dump_on_sigusr1");
    listen_for_signal(scheduler, |scheduler, seen| {
        let text = format!("leno: {}\n", Dump::new(scheduler, seen));
        // An error means that standard error is closed, so no report is wanted.
        let _ = io::stderr().write_all(text.as_bytes());
    })
}

impl Dump {
    fn new(scheduler: &Scheduler, threads: Vec<Seen>) -> Dump {
        #[cfg(feature = "net")]
        let engine = driver::io::engine_name(scheduler);
        #[cfg(not(feature = "net"))]
        let (_, engine) = (scheduler, None);
        Dump { threads, engine }
    }

    /// Returns the number of green threads, including the main one.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| assert_eq!(leno::debug::dump().threads(), 1));
    /// ```
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.threads();
        write!(f, "dump of {count} green thread{}", if count == 1 { "" } else { "s" })?;
        if let Some(engine) = &self.engine {
            write!(f, ", which wait for sockets by {engine}")?;
        }
        with_room(|| {
            let mut symbols = Symbols::new(f.alternate());
            self.threads.iter().try_for_each(|seen| print(f, seen, &mut symbols))
        })
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dump").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

/// Prints the state of one green thread.
fn print(f: &mut fmt::Formatter<'_>, seen: &Seen, symbols: &mut Symbols) -> fmt::Result {
    let mut table = Table::new();
    let (what, place) = match &seen.doing {
        Doing::Running => ("is running".to_owned(), None),
        Doing::Ready => ("is ready".to_owned(), None),
        Doing::New => ("is ready, and has not begun".to_owned(), None),
        Doing::Waiting(waiting, age) => {
            let what = format!("has waited {} for {}", Age(*age), waiting.what);
            (what, Some(("at", waiting.at)))
        }
    };
    table.push(seen.label.clone(), what, place);
    if let Doing::Waiting(waiting, _) = &seen.doing {
        table.add_notes(Some(waiting));
    }
    if let Some((text, place)) = &seen.spawned {
        table.push(String::new(), text.clone(), Some(("at", place)));
    }
    if let Some(stack) = seen.stack {
        table.push(String::new(), stack.to_string(), None);
    }
    write!(f, "\n{table}")?;
    match &seen.frames {
        Frames::None => Ok(()),
        Frames::Found(addresses, more) => symbols.print(f, addresses, *more),
        Frames::NoRoom(bytes) => {
            write!(f, "\n      no backtrace: {bytes} bytes of its stack are left, too few")
        }
        Frames::Failed(error) => write!(f, "\n      no backtrace: {error}"),
    }
}

impl fmt::Display for StackUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [most, bytes] = [self.high_water, self.bytes].map(Kibibytes);
        write!(f, "stack: ")?;
        match self.in_use.map(Kibibytes) {
            Some(in_use) => write!(f, "{in_use} KiB in use, ")?,
            None => write!(f, "left for one that is not leno's, ")?,
        }
        write!(f, "{most} KiB at most, of {bytes} KiB")
    }
}

/// A size that prints in KiB, below 100 KiB with one decimal.
struct Kibibytes(usize);

impl fmt::Display for Kibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_div(1024) {
            Some(0..100) if !self.0.is_multiple_of(1024) => {
                write!(f, "{:.1}", self.0 as f64 / 1024.0)
            }
            whole => write!(f, "{}", whole.unwrap_or(0)),
        }
    }
}
