//! What a runtime tells about itself: who waits for what, what every green
//! thread is doing, what ran when, and who does not let others run.
//!
//! When nothing can ever run again, [`leno::run`](crate::run) says so by itself:
//! its panic is a report of who waits for what, held by whom, since which line.
//! The functions here are for a program that hangs in part, or that is slow.
//!
//! - [`stalled`] is the same report for those who have waited for long.
//! - [`dump`] shows every green thread. [`dump_on_sigusr1`] does so when the
//!   process gets a signal, from outside and without a debugger.
//!
//! For a debugger there is `src/debug/gdb.py` among the sources of leno: `leno threads`
//! and `leno bt`, in a running process or in a core.

#![forbid(unsafe_code)]

mod dump;
mod origin;
mod stalled;
mod symbols;
mod timeline;
mod watchdog;

pub use crate::inspect::Recorder;
pub use dump::{Dump, dump, dump_on_sigusr1};
pub use stalled::{Stalled, stalled};
pub use timeline::{Timeline, record};
pub use watchdog::{Hog, Watchdog, watch_hogs, watch_hogs_with};
