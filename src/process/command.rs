//! Commands: what starts a child.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

use super::child::Child;
use crate::driver::io::child::refuse_child;

/// A builder of a child process, as [`std::process::Command`]. Methods without a description do what those
/// of std do.
///
/// # Examples
///
/// ```
/// use leno::process::Command;
///
/// leno::run(|| {
///     let output = Command::new("echo").arg("hello").output()?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Command {
    pub(crate) inner: std::process::Command,
    /// The program has chosen these standard streams.
    is_chosen: [bool; 3],
    kill_on_drop: bool,
}

impl Command {
    /// Returns a command that runs `program`, which is looked up in `PATH` unless it has a slash.
    ///
    /// # Examples
    ///
    /// See [`Command`].
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        let inner = std::process::Command::new(program);
        Command { inner, is_chosen: [false; 3], kill_on_drop: false }
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.env(key, val);
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes a variable from the child's environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Removes all variables from the child's environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the child's working directory.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Sets the child's standard input: by default that of this process, and none for
    /// [`output`](Command::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.is_chosen[0] = true;
        self.inner.stdin(cfg);
        self
    }

    /// Sets the child's standard output: by default that of this process, and a pipe for
    /// [`output`](Command::output).
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.is_chosen[1] = true;
        self.inner.stdout(cfg);
        self
    }

    /// Sets the child's standard error, as [`stdout`](Command::stdout).
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.is_chosen[2] = true;
        self.inner.stderr(cfg);
        self
    }

    /// Sets whether the child is killed (SIGKILL) when its [`Child`] is dropped before it has been waited
    /// for, and reaped then by an OS thread. By default it goes on, as in std. It is an addition to std.
    ///
    /// # Examples
    ///
    /// A command with a deadline, which ends it:
    ///
    /// ```
    /// use leno::process::Command;
    /// use leno::time::{Duration, timeout};
    ///
    /// leno::run(|| {
    ///     let mut command = Command::new("sleep");
    ///     command.arg("1000").kill_on_drop(true);
    ///     assert!(timeout(Duration::from_millis(10), || command.status()).is_err());
    /// });
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Starts the child.
    ///
    /// The OS thread waits until the child has executed the program, or failed: 0.1 to 0.2 ms, and longer if
    /// the program is read from a slow disk. With a [`pre_exec`] or a user, the system copies the page table
    /// of this process: 4 to 5 ms for each 100 MB that it has in memory. Where that is too long, call it in
    /// [`unblock`](crate::unblock); the child then counts as one of that OS thread for `PR_SET_PDEATHSIG`.
    ///
    /// # Errors
    ///
    /// If the program is not found, or those of fork(2) and execve(2). In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::process::{Command, Stdio};
    /// use std::io::{Read, Write};
    ///
    /// leno::run(|| {
    ///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     child.stdin.take().unwrap().write_all(b"hello")?;
    ///     let mut text = String::new();
    ///     child.stdout.take().unwrap().read_to_string(&mut text)?;
    ///     assert_eq!(text, "hello");
    ///     assert!(child.wait()?.success());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// [`pre_exec`]: crate::os::unix::process::CommandExt::pre_exec
    pub fn spawn(&mut self) -> io::Result<Child> {
        refuse_child()?;
        Ok(Child::new(self.inner.spawn()?, self.kill_on_drop))
    }

    /// Starts the child, and waits for its end. Returns its status and what it has written to its standard
    /// output and standard error.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The child goes on then, unless [`kill_on_drop`](Command::kill_on_drop) is
    /// set, and what it has written is lost.
    ///
    /// # Examples
    ///
    /// See [`Command`].
    #[track_caller]
    pub fn output(&mut self) -> io::Result<Output> {
        let [stdin, stdout, stderr] = self.is_chosen;
        if !stdin {
            self.inner.stdin(Stdio::null());
        }
        // mistake: choice-ignored
        if !stdout {
            self.inner.stdout(Stdio::piped());
        }
        if !stderr {
            self.inner.stderr(Stdio::piped());
        }
        let child = self.spawn();
        // The default of the other methods.
        if !stdin {
            self.inner.stdin(Stdio::inherit());
        }
        // mistake: output-stays-piped
        if !stdout {
            self.inner.stdout(Stdio::inherit());
        }
        if !stderr {
            self.inner.stderr(Stdio::inherit());
        }
        child?.wait_with_output()
    }

    /// Starts the child, waits for its end, and returns its status.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// # Cancellation
    ///
    /// As [`output`](Command::output).
    ///
    /// # Examples
    ///
    /// ```
    /// let status = leno::run(|| leno::process::Command::new("false").status())?;
    /// assert_eq!(status.code(), Some(1));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Returns the program.
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// Returns the arguments, without the program.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// Returns the variables that are set, or removed (`None`).
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// Returns the child's working directory, if it is set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }
}

/// As std shows a command.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
