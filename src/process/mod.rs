//! Child processes, with the interface of [`std::process`].
//!
//! A wait for a child, and for its standard streams, makes only its green thread wait: it is a cancellation
//! point, deadlines of [`leno::time::timeout`](crate::time::timeout) apply, and
//! [`select!`](crate::select!) takes the end of a child as `readable(child)`. Starting a child is done on
//! the OS thread of the runtime: see [`Command::spawn`].
//!
//! **Descriptors.** What leno opens is closed in children, but the standard streams that they are given.
//! These block, as programs expect: only the parent's ends of the pipes do not.
//!
//! **Virtual time** stands still while a green thread waits for a child.
//!
//! **Explorations.** In an exploration of [`leno::weave`](crate::weave) no child is started.
//!
//! What does not wait is std's own, and re-exported here: [`Stdio`], [`Output`], [`ExitStatus`].
//!
//! # Examples
//!
//! ```
//! use leno::process::Command;
//! use leno::time::{Duration, timeout};
//!
//! leno::run(|| {
//!     let mut command = Command::new("sort");
//!     command.arg("Cargo.toml").kill_on_drop(true);
//!     let output = timeout(Duration::from_secs(60), || command.output()).expect("in time")?;
//!     assert!(output.status.success());
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod child;
mod command;

pub use child::{Child, ChildStderr, ChildStdin, ChildStdout};
pub use command::Command;
pub use std::process::{
    CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, exit, id,
};
