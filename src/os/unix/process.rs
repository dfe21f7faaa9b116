//! What Unix systems add to child processes, with the interface of [`std::os::unix::process`].

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;

use crate::process::Command;

pub use std::os::unix::process::{ExitStatusExt, parent_id};

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::process::Command {}
}

/// What Unix systems add to a [`Command`], as [`std::os::unix::process::CommandExt`].
///
/// # Examples
///
/// ```
/// use leno::os::unix::process::{CommandExt, ExitStatusExt};
/// use leno::process::Command;
///
/// leno::run(|| {
///     let mut command = Command::new("sh");
///     let status = command.args(["-c", "kill -TERM $$"]).process_group(0).status()?;
///     assert_eq!(status.signal(), Some(15));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the child's user.
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the child's group.
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Adds a closure that runs in the child before the program is executed.
    ///
    /// # Safety
    ///
    /// As that of [`std::os::unix::process::CommandExt::pre_exec`]: the closure runs in a copy of this
    /// process with one OS thread, where only functions that are async-signal-safe may be called. No
    /// function of leno is.
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static;

    /// Executes the program in place of this process. Returns only if that fails, with the error.
    fn exec(&mut self) -> io::Error;

    /// Sets the first argument, which is the name of the program by default.
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;

    /// Sets the child's process group; 0 makes a new one.
    fn process_group(&mut self, pgroup: i32) -> &mut Command;
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.inner.uid(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.inner.gid(id);
        self
    }

    // SAFETY: the contract is that of the trait.
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's contract is that of std.
        unsafe { self.inner.pre_exec(f) };
        self
    }

    fn exec(&mut self) -> io::Error {
        self.inner.exec()
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg0(arg);
        self
    }

    fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.inner.process_group(pgroup);
        self
    }
}
