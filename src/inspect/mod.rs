//! What a runtime can tell of itself: snapshots, deadlocks, traces, hogs.

pub(crate) mod deadlock;
pub(crate) mod debugger_table;
#[cfg(feature = "debug")]
mod hog_report;
#[cfg(feature = "debug")]
pub(crate) mod hog_sampler;
#[cfg(feature = "debug")]
mod origin;
mod room;
#[cfg(feature = "debug")]
pub(crate) mod signal_dump;
mod silence;
#[cfg(feature = "debug")]
pub(crate) mod snapshot;
pub(crate) mod stack_visit;
#[cfg(any(feature = "debug", feature = "weave"))]
mod std_files;
#[cfg(feature = "debug")]
pub(crate) mod symbols;
pub(crate) mod trace;
mod wait_graph;
#[cfg(feature = "debug")]
pub(crate) mod watch_variable;

pub(crate) use deadlock::{Age, DEADLOCK, Table, letters, stalled};
#[cfg(feature = "debug")]
pub(crate) use hog_sampler::{Hog, WatchEnd};
pub(crate) use room::with_room;
#[cfg(feature = "debug")]
pub(crate) use signal_dump::listen_for_signal;
pub(crate) use silence::silence;
#[cfg(feature = "debug")]
pub(crate) use snapshot::{Doing, Frames, Seen, StackUse};
#[cfg(feature = "weave")]
pub(crate) use std_files::is_of_std;
pub use trace::Recorder;
pub(crate) use trace::{Awaited, Event, Happened, Recording};
