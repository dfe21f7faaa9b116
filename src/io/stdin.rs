//! Standard input.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Lines, Read};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::turns::Turns;
use crate::driver::io::Direction;
use crate::driver::io::standard::{Standard, scheduler_of_streams};

static STREAM: Standard = Standard::new("Stdin (fd 0)", Direction::Read, || STD.as_fd());
static TURNS: Turns = Turns::new();
/// What has been read from the system. Taken while the lock is held.
static BUFFER: Mutex<Buffer> = Mutex::new(Buffer { bytes: Vec::new(), start: 0 });
/// It has the descriptor. Its buffer is not used.
static STD: LazyLock<io::Stdin> = LazyLock::new(io::stdin);

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// The number of bytes that have been consumed.
    start: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Takes the first bytes.
    fn take(&mut self, count: usize, into: &mut Vec<u8>) -> usize {
        into.extend_from_slice(&self.rest()[..count]);
        self.consume(count);
        count
    }
}

/// Returns standard input, as [`std::io::stdin`].
///
/// All handles have one buffer and one lock, which is held for the time of a call. Threads of all runtimes and OS
/// threads without a runtime may use them. The buffer is not that of [`std::io::stdin`]: a program reads from one
/// of them only.
///
/// # Examples
///
/// A prompt with a deadline:
///
/// ```
/// use leno::time::{Duration, timeout};
/// use std::io::{self, Write};
///
/// fn ask(question: &str) -> io::Result<Option<String>> {
///     let mut out = leno::io::stdout();
///     write!(out, "{question} ")?;
///     out.flush()?;
///     let mut answer = String::new();
///     match timeout(Duration::from_secs(10), || leno::io::stdin().read_line(&mut answer)) {
///         Ok(count) => Ok((count? > 0).then(|| answer.trim_end().to_owned())),
///         Err(_) => {
///             writeln!(out, "\ntoo late")?;
///             Ok(None)
///         }
///     }
/// }
///
/// # if false {
/// leno::run(|| ask("continue?"))?;
/// # }
/// # io::Result::Ok(())
/// ```
pub fn stdin() -> Stdin {
    Stdin(())
}

/// A handle to standard input, as [`std::io::Stdin`].
///
/// A read waits without blocking other green threads, whatever the input is: a terminal, a pipe, a file. The open
/// file description is left in the mode in which the program got it, since the shell and children share it.
/// A closed input is at its end.
///
/// # Cancellation
///
/// All calls are cancellation points, and none loses a byte: `read_line`, `read_until`, `read_exact` and the
/// reads to the end take bytes out of the buffer only once they have all. What had arrived for a call that was
/// cancelled is read by the next one.
///
/// # Errors
///
/// In an exploration all calls fail.
///
/// # Examples
///
/// ```no_run
/// leno::run(|| {
///     for line in leno::io::stdin().lines() {
///         println!("{} bytes", line?.len());
///     }
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Stdin(());

impl Stdin {
    /// Locks standard input for several calls, and for those of [`BufRead`]. Other threads wait for it.
    ///
    /// # Panics
    ///
    /// If the current thread holds the lock already.
    ///
    /// # Cancellation
    ///
    /// A cancellation point if it waits.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::BufRead;
    ///
    /// leno::run(|| {
    ///     let mut input = leno::io::stdin().lock();
    ///     let (mut name, mut value) = (Vec::new(), String::new());
    ///     input.read_until(b'=', &mut name)?;
    ///     input.read_line(&mut value)
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn lock(&self) -> StdinLock<'static> {
        lock(Location::caller())
    }

    /// Reads a line, and appends it to `line` with its end. Returns the number of bytes; 0 is the end of the input.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) if the line is not UTF-8, which is skipped then; those of read(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The line is taken whole or not at all.
    ///
    /// # Examples
    ///
    /// See [`stdin`].
    #[track_caller]
    pub fn read_line(&self, line: &mut String) -> io::Result<usize> {
        lock(Location::caller()).read_line(line)
    }

    /// Returns the lines without their ends, and holds the lock. See [`BufRead::lines`].
    ///
    /// # Panics
    ///
    /// As [`lock`](Stdin::lock).
    ///
    /// # Examples
    ///
    /// See [`Stdin`].
    #[track_caller]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        lock(Location::caller()).lines()
    }

    /// Returns `true` if it is a terminal, as [`IsTerminal`] does, which only std implements.
    ///
    /// # Examples
    ///
    /// ```
    /// let _shows_prompts = leno::io::stdin().is_terminal();
    /// ```
    pub fn is_terminal(&self) -> bool {
        STD.is_terminal()
    }
}

/// Locks the stream. `at` is the caller's line, for reports.
fn lock(at: &'static Location<'static>) -> StdinLock<'static> {
    // The call that reads finds the error of an exploration.
    let scheduler = scheduler_of_streams().ok().flatten();
    let depth = TURNS.begin(scheduler, &STREAM, at);
    if depth > 1 {
        TURNS.end();
        panic!("this thread holds the lock of leno::io::stdin already, and would wait for itself");
    }
    let buffer = std::mem::take(&mut *BUFFER.lock().unwrap_or_else(PoisonError::into_inner));
    StdinLock { buffer, one_thread: PhantomData }
}

/// Standard input while it is locked, as [`std::io::StdinLock`]. See [`Stdin::lock`].
pub struct StdinLock<'a> {
    buffer: Buffer,
    one_thread: PhantomData<*const &'a ()>,
}

impl StdinLock<'_> {
    /// Waits for more bytes. Returns their number; 0 is the end.
    #[track_caller]
    fn fill(&mut self) -> io::Result<usize> {
        STREAM.read(&mut self.buffer.bytes)
    }

    /// Takes bytes up to and with a delimiter.
    #[track_caller]
    fn take_until(&mut self, delimiter: u8, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut seen = 0;
        loop {
            let rest = self.buffer.rest();
            if let Some(place) = rest[seen..].iter().position(|&byte| byte == delimiter) {
                return Ok(self.buffer.take(seen + place + 1, into));
            }
            // mistake: partial-line-taken
            seen = rest.len();
            if self.fill()? == 0 {
                return Ok(self.buffer.take(seen, into));
            }
        }
    }

    /// Takes all bytes up to the end.
    #[track_caller]
    fn take_all(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let result = loop {
            match self.fill() {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        let count = self.buffer.take(self.buffer.rest().len(), into);
        result.map(|()| count)
    }
}

/// Appends what `take` takes to a text, or nothing if it is not UTF-8.
fn as_text(
    text: &mut String,
    take: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut bytes = Vec::new();
    let result = take(&mut bytes);
    match str::from_utf8(&bytes) {
        Ok(read) => text.push_str(read),
        Err(_) => {
            let invalid = "stream did not contain valid UTF-8";
            return result.and(Err(io::Error::new(ErrorKind::InvalidData, invalid)));
        }
    }
    result
}

impl Read for StdinLock<'_> {
    #[track_caller]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() || self.buffer.rest().is_empty() && self.fill()? == 0 {
            return Ok(0);
        }
        let rest = self.buffer.rest();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.buffer.consume(count);
        Ok(count)
    }

    #[track_caller]
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        while self.buffer.rest().len() < bytes.len() {
            if self.fill()? == 0 {
                self.buffer.consume(self.buffer.rest().len());
                let text = "failed to fill whole buffer";
                return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
            }
        }
        bytes.copy_from_slice(&self.buffer.rest()[..bytes.len()]);
        self.buffer.consume(bytes.len());
        Ok(())
    }

    #[track_caller]
    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.take_all(bytes)
    }

    #[track_caller]
    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        as_text(text, |bytes| self.take_all(bytes))
    }
}

/// A wait in these calls loses nothing if it is cancelled; see [`Stdin`].
impl BufRead for StdinLock<'_> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer.rest().is_empty() {
            self.fill()?;
        }
        Ok(self.buffer.rest())
    }

    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    #[track_caller]
    fn read_until(&mut self, delimiter: u8, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.take_until(delimiter, bytes)
    }

    #[track_caller]
    fn read_line(&mut self, line: &mut String) -> io::Result<usize> {
        as_text(line, |bytes| self.take_until(b'\n', bytes))
    }
}

impl Drop for StdinLock<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        *BUFFER.lock().unwrap_or_else(PoisonError::into_inner) = buffer;
        TURNS.end();
    }
}

macro_rules! reads_locked {
    ($($type:ty),*) => { $(
        /// Each call holds the lock.
        impl Read for $type {
            #[track_caller]
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                lock(Location::caller()).read(bytes)
            }

            #[track_caller]
            fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
                lock(Location::caller()).read_exact(bytes)
            }

            #[track_caller]
            fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
                lock(Location::caller()).read_to_end(bytes)
            }

            #[track_caller]
            fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
                lock(Location::caller()).read_to_string(text)
            }
        }
    )* };
}

reads_locked!(Stdin, &Stdin);

macro_rules! descriptors {
    ($($type:ty),*) => { $(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                STD.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> i32 {
                STD.as_raw_fd()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Stdin").finish_non_exhaustive()
            }
        }
    )* };
}

descriptors!(Stdin, StdinLock<'_>);
