//! Reports about a runtime: the waits of green threads, their stacks, their timeline, and green
//! threads that do not let others run.
//!
//! When no green thread can ever run again, [`leno::run`](crate::run) panics with a deadlock report:
//! what each green thread waits for, which thread holds it, and since which line. The functions here
//! are for a program that hangs in part, or that is slow.
//!
//! - [`stalled`] is the same report for green threads that have waited for long.
//! - [`dump`] shows every green thread. [`dump_on_sigusr1`] does so when the process receives a
//!   signal, from outside and without a debugger.
//! - [`watch_hogs`] reports green threads that run for long without letting others run. With the
//!   environment variable `LENO_WATCH=200ms`, every runtime of a program is watched so.
//! - [`record`] and [`Recorder`] record a [`Timeline`].
//!
//! For a debugger there is `src/debug/gdb.py` among the sources of leno: `leno threads`
//! and `leno bt`, in a running process or in a core.

#![forbid(unsafe_code)]

mod dump;
mod stalled;
mod timeline;
mod watchdog;

pub use crate::inspect::debug::Recorder;
pub use dump::{Dump, dump, dump_on_sigusr1};
pub use stalled::{Stalled, stalled};
pub use timeline::{Timeline, record};
pub use watchdog::{Hog, Watchdog, watch_hogs, watch_hogs_with};
