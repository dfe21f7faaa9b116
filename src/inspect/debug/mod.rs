//! What only `debug` tells of a runtime: snapshots, dumps on a signal, the trace, hogs.

mod hog_report;
pub(crate) mod hog_sampler;
mod origin;
pub(crate) mod signal_dump;
mod snapshot;
mod stack_visit;
mod stalled;
mod symbols;
mod trace;
mod watch_variable;

pub(crate) use hog_sampler::{Hog, WatchEnd};
pub(crate) use signal_dump::listen_for_signal;
pub(crate) use snapshot::{Doing, Frames, Seen, StackUse, snapshot};
pub(crate) use stalled::stalled;
pub(crate) use symbols::Symbols;
pub use trace::Recorder;
pub(crate) use trace::{Awaited, Event, Happened, Recording};
pub(crate) use watch_variable::{print, watch};

use crate::kernel::Scheduler;
use crate::kernel::features::SchedulerSlots;

/// Adds the states that this keeps with each scheduler.
pub(crate) fn add_states(slots: SchedulerSlots) -> SchedulerSlots {
    slots
        .with(trace::Trace::default())
        .with(stack_visit::Visits::default())
        .with(signal_dump::SignalDump::default())
        .with(hog_sampler::Watched::default())
}

/// Records a new runtime if there is a recorder, and has it watched if the environment asks for that.
pub(crate) fn begin(scheduler: &Scheduler, recorder: Option<&Recorder>) {
    if let Some(recorder) = recorder {
        trace::start_recording(scheduler, recorder);
    }
    watch_variable::watch_if_asked(scheduler);
}
