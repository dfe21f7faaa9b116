//! Children, and the ends of their standard streams.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::thread;

use crate::channel::Ready;
use crate::driver::io::child::ChildEnd;
use crate::driver::io::{Direction, Pipe, Readiness, reader_traits, writer_traits};
use crate::io::pipe_traits;
use crate::kernel::try_scheduler;
use crate::sys;

/// The most bytes that are read at once from a child with two outputs.
const BUFFER_BYTES: usize = 64 * 1024;

/// A child process, as [`std::process::Child`].
///
/// Dropping it neither kills nor reaps the child, as in std, unless
/// [`Command::kill_on_drop`](super::Command::kill_on_drop) is set: a child that has ended and is never
/// waited for stays a zombie.
///
/// `select!` waits for the end of a child as `readable(child)`; [`wait`](Child::wait) then does not wait.
///
/// # Examples
///
/// ```
/// use leno::process::Command;
/// use leno::time::Duration;
///
/// leno::run(|| {
///     let mut child = Command::new("sleep").arg("1000").spawn()?;
///     let status = leno::select! {
///         readable(child) => child.wait()?,
///         default(Duration::from_millis(10)) => {
///             child.kill()?;
///             child.wait()?
///         }
///     };
///     assert!(!status.success());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Child {
    /// The end that writes to the child's standard input, if it is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The end that reads the child's standard output, if it is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The end that reads the child's standard error, if it is a pipe.
    pub stderr: Option<ChildStderr>,
    process: Process,
}

/// The process of a child. The destructor is not that of [`Child`], so that programs can move the streams
/// out of it, as in std.
struct Process {
    inner: std::process::Child,
    end: ChildEnd,
    status: Option<ExitStatus>,
    is_killed_on_drop: bool,
}

/// Returns the end of a pipe, with its name in reports.
fn pipe(name: &'static str, end: impl Into<OwnedFd>) -> Arc<Pipe> {
    Arc::new(Pipe::take_over(name, end.into()))
}

impl Process {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.status = self.inner.try_wait()?;
        Ok(self.status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // mistake: child-not-killed
        if self.is_killed_on_drop && self.status.is_none() {
            // It fails if other code has reaped the child: then there is nothing to do.
            // mistake: killed-not-reaped
            if self.inner.kill().is_ok() && matches!(self.inner.try_wait(), Ok(None)) {
                sys::child::reap_later(self.inner.id());
            }
        }
    }
}

impl Child {
    pub(super) fn new(mut inner: std::process::Child, is_killed_on_drop: bool) -> Child {
        let (stdin, stdout, stderr) =
            (inner.stdin.take(), inner.stdout.take(), inner.stderr.take());
        let end = ChildEnd::new(inner.id());
        Child {
            stdin: stdin.map(|it| ChildStdin(pipe("ChildStdin", it))),
            stdout: stdout.map(|it| ChildStdout(pipe("ChildStdout", it))),
            stderr: stderr.map(|it| ChildStderr(pipe("ChildStderr", it))),
            process: Process { inner, end, status: None, is_killed_on_drop },
        }
    }

    /// Returns the number of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut child = leno::process::Command::new("true").spawn()?;
    /// assert_ne!(child.id(), std::process::id());
    /// child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn id(&self) -> u32 {
        self.process.inner.id()
    }

    /// Ends the child by SIGKILL. Does nothing if it has been waited for. It is to be waited for after
    /// that.
    ///
    /// # Errors
    ///
    /// Those of kill(2).
    ///
    /// # Examples
    ///
    /// See [`Child`].
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.inner.kill()
    }

    /// Closes the child's standard input, waits for the child's end, and returns its status. Other green
    /// threads run meanwhile, and a stopped child has not ended.
    ///
    /// The first wait opens a descriptor (a pidfd, of Linux 5.3); where there is none, an OS thread waits
    /// for the child. No handler of SIGCHLD is involved.
    ///
    /// # Errors
    ///
    /// `ECHILD` ("No child processes") if other code has reaped the child, or the process ignores SIGCHLD.
    /// If the process has no more descriptors. In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point: the child goes on, and can be waited for again.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     let mut child = leno::process::Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    ///     assert_eq!(child.wait()?.code(), Some(3));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // mistake: input-kept
        drop(self.stdin.take());
        let Process { inner, end, status, .. } = &mut self.process;
        if let Some(status) = *status {
            return Ok(status);
        }
        let ended = end.wait(|| inner.try_wait())?;
        *status = Some(ended);
        Ok(ended)
    }

    /// Returns the child's status if it has ended. Never waits.
    ///
    /// # Errors
    ///
    /// `ECHILD`, as [`wait`](Child::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut child = leno::process::Command::new("sleep").arg("1000").spawn()?;
    /// assert!(child.try_wait()?.is_none());
    /// child.kill()?;
    /// child.wait()?;
    /// assert!(child.try_wait()?.is_some());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Closes the child's standard input, reads its standard output and standard error to their ends, if
    /// they are pipes, and waits for the child's end.
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait), and those of reading.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The child goes on then, unless
    /// [`kill_on_drop`](super::Command::kill_on_drop) is set, and what was read is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::process::{Command, Stdio};
    ///
    /// leno::run(|| {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo one; echo two >&2"]);
    ///     let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    ///     let output = child.wait_with_output()?;
    ///     assert_eq!((&*output.stdout, &*output.stderr), (&b"one\n"[..], &b"two\n"[..]));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        match (self.stdout.take(), self.stderr.take()) {
            (None, None) => {}
            (Some(mut only), None) => drop(only.read_to_end(&mut stdout)?),
            (None, Some(mut only)) => drop(only.read_to_end(&mut stderr)?),
            // mistake: outputs-in-turn
            (Some(output), Some(error)) => read_both(&output, &mut stdout, &error, &mut stderr)?,
        }
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

/// Reads both to their ends, whichever has bytes: a child that is to be read at one waits if the other is
/// full.
#[track_caller]
fn read_both(
    mut output: &ChildStdout,
    stdout: &mut Vec<u8>,
    mut error: &ChildStderr,
    stderr: &mut Vec<u8>,
) -> io::Result<()> {
    if try_scheduler().is_none() {
        return thread::scope(|scope| {
            let other = scope.spawn(|| error.read_to_end(stderr));
            output.read_to_end(stdout)?;
            other.join().expect("a read does not panic").map(drop)
        });
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        crate::select! {
            readable(output) => match output.read(&mut buffer)? {
                0 => return error.read_to_end(stderr).map(drop),
                count => stdout.extend_from_slice(&buffer[..count]),
            },
            readable(error) => match error.read(&mut buffer)? {
                0 => return output.read_to_end(stdout).map(drop),
                count => stderr.extend_from_slice(&buffer[..count]),
            },
        }
    }
}

/// A select waits for the end of the child.
impl Ready for Child {
    fn readiness(&self, _: Direction) -> Readiness<'_> {
        self.process.end.readiness(self.process.status.is_some())
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

macro_rules! stream {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        ///
        /// # Examples
        ///
        /// See [`Command::spawn`](super::Command::spawn).
        pub struct $type(pub(crate) Arc<Pipe>);
    };
}

stream!(
    /// The end of a pipe that writes to a child's standard input, as [`std::process::ChildStdin`]. The
    /// child finds the end of its input once this is dropped.
    ChildStdin
);
stream!(
    /// The end of a pipe that reads a child's standard output, as [`std::process::ChildStdout`].
    ChildStdout
);
stream!(
    /// The end of a pipe that reads a child's standard error, as [`std::process::ChildStderr`].
    ChildStderr
);
pipe_traits!(ChildStdin, ChildStdout, ChildStderr);
writer_traits!(ChildStdin, &ChildStdin);
reader_traits!(ChildStdout, &ChildStdout, ChildStderr, &ChildStderr);
