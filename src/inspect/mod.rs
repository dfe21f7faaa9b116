//! What a runtime can tell of itself: snapshots, deadlocks, traces, hogs.

pub(crate) mod deadlock;
pub(crate) mod debugger_table;
#[cfg(feature = "debug")]
pub(crate) mod hog_sampler;
mod room;
#[cfg(feature = "debug")]
pub(crate) mod signal_dump;
mod silence;
#[cfg(feature = "debug")]
pub(crate) mod snapshot;
pub(crate) mod stack_visit;
pub(crate) mod trace;
mod wait_graph;

pub(crate) use deadlock::{Age, DEADLOCK, Table, letters, stalled};
#[cfg(feature = "debug")]
pub(crate) use hog_sampler::{Hog, WatchEnd};
pub(crate) use room::with_room;
#[cfg(feature = "debug")]
pub(crate) use signal_dump::listen_for_signal;
pub(crate) use silence::silence;
#[cfg(feature = "debug")]
pub(crate) use snapshot::{Doing, Frames, Seen, StackUse};
pub use trace::Recorder;
pub(crate) use trace::{Awaited, Event, Happened, Recording};
