//! What a runtime can tell of itself: snapshots, deadlocks, traces, hogs.

pub(crate) mod deadlock;
pub(crate) mod debugger_table;
pub(crate) mod hog_sampler;
pub(crate) mod signal_dump;
pub(crate) mod snapshot;
pub(crate) mod stack_visit;
pub(crate) mod trace;
mod wait_graph;

pub(crate) use deadlock::{Age, DEADLOCK, Table, letters, stalled};
pub(crate) use hog_sampler::{Hog, WatchEnd};
pub(crate) use signal_dump::listen_for_signal;
pub(crate) use snapshot::{Doing, Frames, Seen, StackUse, with_room};
pub use trace::Recorder;
pub(crate) use trace::{Awaited, Event, Happened, Recording};
