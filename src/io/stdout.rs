//! Standard output and standard error.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, IsTerminal, LineWriter, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use super::turns::Turns;
use crate::driver::io::Direction;
use crate::driver::io::standard::{Standard, begin_exit, scheduler_of_streams};
use crate::sys::process::at_exit;

/// A stream that is written to, with its lock.
struct Output {
    stream: Standard,
    turns: Turns,
    /// The buffer. Taken while it is in use by the thread that holds the lock. `None` without a buffer, too.
    lines: Mutex<Option<LineWriter<Raw>>>,
}

/// The stream without its buffer.
struct Raw(&'static Standard);

static STD_OUT: LazyLock<io::Stdout> = LazyLock::new(io::stdout);
static STD_ERR: LazyLock<io::Stderr> = LazyLock::new(io::stderr);

static OUT: Output = Output::new("Stdout (fd 1)", || STD_OUT.as_fd());
static ERR: Output = Output::new("Stderr (fd 2)", || STD_ERR.as_fd());

impl Write for Raw {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.0.write(bytes)
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output {
    const fn new(name: &'static str, descriptor: fn() -> BorrowedFd<'static>) -> Output {
        let stream = Standard::new(name, Direction::Write, descriptor);
        Output { stream, turns: Turns::new(), lines: Mutex::new(None) }
    }

    fn lines(&self) -> MutexGuard<'_, Option<LineWriter<Raw>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of the current thread. `at` is the caller's line, for reports.
    fn begin(&self, at: &'static Location<'static>) {
        // The call that writes finds the error of an exploration.
        let scheduler = scheduler_of_streams().ok().flatten();
        self.turns.begin(scheduler, &self.stream, at);
    }

    /// Calls `f` with the buffer. The current thread has the turn.
    #[track_caller]
    fn with_lines<T>(
        &self,
        f: impl FnOnce(&mut LineWriter<Raw>) -> io::Result<T>,
    ) -> io::Result<T> {
        /// Puts the buffer back, also if the thread is unwound in a wait.
        struct Taken<'a>(&'a Output, Option<LineWriter<Raw>>);
        impl Drop for Taken<'_> {
            fn drop(&mut self) {
                *self.0.lines() = self.1.take();
            }
        }
        scheduler_of_streams()?;
        let lines = self.lines().take();
        // mistake: buffer-lost
        let mut taken = Taken(self, lines);
        f(taken.1.get_or_insert_with(|| LineWriter::new(Raw(&OUT.stream))))
    }
}

/// Writes what is in the buffer. If another OS thread is writing, that is left.
extern "C" fn write_rest() {
    begin_exit();
    if let Ok(mut lines) = OUT.lines.try_lock()
        && let Some(lines) = &mut *lines
    {
        // There is nothing left to tell of an error.
        let _ = lines.flush();
    }
}

/// Returns standard output, as [`std::io::stdout`].
///
/// All handles have one buffer and one lock, which is held for the time of a call, so that lines of several threads do
/// not mix: those of green threads of all runtimes, and of OS threads without a runtime. The buffer keeps the
/// beginning of a line until its end, a flush, or the end of the process, as that of std. It is not that of std:
/// what `print!` has written of a line may come later than what is written here.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// leno::run(|| {
///     let mut out = leno::io::stdout();
///     writeln!(out, "hello")?;
///     write!(out, "a prompt: ")?;
///     out.flush()
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn stdout() -> Stdout {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| at_exit(write_rest));
    Stdout(())
}

/// Returns standard error, as [`std::io::stderr`]. It has no buffer.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// leno::run(|| writeln!(leno::io::stderr(), "something is odd"))?;
/// # std::io::Result::Ok(())
/// ```
pub fn stderr() -> Stderr {
    Stderr(())
}

/// A handle to standard output, as [`std::io::Stdout`].
///
/// A write waits without blocking other green threads, whatever the output is: a terminal that is stopped, a
/// pipe that is full, a file. The open file description is left in the mode in which the program got it, since the
/// shell and children share it. A write to a pipe without a reader fails with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), without a signal. A closed output takes everything.
///
/// # Cancellation
///
/// All calls that write to the system are cancellation points. A call that is cancelled may have written a part,
/// or have left a part in the buffer, which the next call writes. What was in the buffer stays there.
///
/// # Errors
///
/// In an exploration all calls fail.
///
/// # Examples
///
/// See [`stdout`].
pub struct Stdout(());

/// A handle to standard error, as [`std::io::Stderr`]. It waits as [`Stdout`] does.
///
/// # Examples
///
/// See [`stderr`].
pub struct Stderr(());

/// Standard output while it is locked, as [`std::io::StdoutLock`]. See [`Stdout::lock`].
pub struct StdoutLock<'a>(PhantomData<*const &'a ()>);

/// Standard error while it is locked, as [`std::io::StderrLock`]. See [`Stderr::lock`].
pub struct StderrLock<'a>(PhantomData<*const &'a ()>);

impl Write for StdoutLock<'_> {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        OUT.with_lines(|lines| lines.write(bytes))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        OUT.with_lines(|lines| lines.write_vectored(buffers))
    }

    #[track_caller]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        OUT.with_lines(|lines| lines.write_all(bytes))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        OUT.with_lines(LineWriter::flush)
    }
}

impl Write for StderrLock<'_> {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Raw(&ERR.stream).write(bytes)
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        Raw(&ERR.stream).flush()
    }
}

macro_rules! output {
    ($type:ident, $lock:ident, $output:ident, $std:ident, $example:literal) => {
        impl $type {
            /// Locks the stream for several calls: what other threads write comes before or after all of them.
            /// The current thread may lock it again.
            ///
            /// # Cancellation
            ///
            /// A cancellation point if it waits.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// # std::io::Result::Ok(())
            /// ```
            #[track_caller]
            pub fn lock(&self) -> $lock<'static> {
                $output.begin(Location::caller());
                $lock(PhantomData)
            }

            /// Returns `true` if it is a terminal, as [`IsTerminal`] does, which only std implements.
            pub fn is_terminal(&self) -> bool {
                $std.is_terminal()
            }
        }

        impl Drop for $lock<'_> {
            fn drop(&mut self) {
                $output.turns.end();
            }
        }

        output!(writes $type, &$type);
        output!(descriptor $type: $type, $std);
        output!(descriptor $lock<'_>: $type, $std);
    };
    (writes $($type:ty),*) => { $(
        /// Each call holds the lock.
        impl Write for $type {
            #[track_caller]
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.lock().write(bytes)
            }

            #[track_caller]
            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.lock().write_vectored(buffers)
            }

            #[track_caller]
            fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
                self.lock().write_all(bytes)
            }

            #[track_caller]
            fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
                self.lock().write_fmt(text)
            }

            #[track_caller]
            fn flush(&mut self) -> io::Result<()> {
                self.lock().flush()
            }
        }
    )* };
    (descriptor $type:ty: $name:ident, $std:ident) => {
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                $std.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> i32 {
                $std.as_raw_fd()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

output!(
    Stdout,
    StdoutLock,
    OUT,
    STD_OUT,
    "use std::io::Write;\n\nlet mut out = leno::io::stdout().lock();\nwriteln!(out, \"one\")?;\nwriteln!(out, \"two\")?;"
);
output!(
    Stderr,
    StderrLock,
    ERR,
    STD_ERR,
    "use std::io::Write;\n\nlet mut out = leno::io::stderr().lock();\nwriteln!(out, \"one\")?;\nwriteln!(out, \"two\")?;"
);
