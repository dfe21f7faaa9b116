//! What a runtime can tell of itself: deadlocks, cycles, silence, and the table for a debugger.

mod cycles;
pub(crate) mod deadlock;
#[cfg(feature = "debug")]
pub(crate) mod debug;
pub(crate) mod debugger_table;
mod room;
mod silence;
#[cfg(any(feature = "debug", feature = "weave"))]
pub(crate) mod std_files;
pub(crate) mod wait_graph;

pub(crate) use cycles::{Cycles, report_cycles};
pub(crate) use room::with_room;
pub(crate) use silence::{held_clock, silence};
