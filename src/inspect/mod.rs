//! What a runtime can tell of itself: snapshots, deadlocks, traces, hogs.

pub(crate) mod deadlock;
pub(crate) mod debugger_table;
pub(crate) mod hog_sampler;
pub(crate) mod signal_dump;
pub(crate) mod snapshot;
pub(crate) mod stack_visit;
pub(crate) mod trace;
pub(crate) mod wait_graph;
