//! The kernel: the scheduler of one OS thread, and nothing else.
//!
//! ```text
//!   spawn  block  current           what features call
//!     |      |       |
//!   context_switch  slow_path       the switch, and what is off its fast path
//!     |      |       |
//!   scheduler  control_block  thread_info  wait_queue  wait_reason  run_queue
//!     |
//!   features                        the way up: upcalls, and slots for state
//! ```
//!
//! It imports no feature: cancellation, timers, exploration, inspection and what other OS threads
//! do are in the folders beside it, and attach by [`features`]. Fields are private to their file,
//! and the inherent `impl`s of the kernel's types stand in this folder only.

pub(crate) mod block;
pub(crate) mod context_switch;
pub(crate) mod control_block;
pub(crate) mod current;
// Only `debug` and `weave` read what a report says. To leave out what says it would take a `#[cfg]` in
// each of the dozens of places that report.
#[cfg_attr(
    not(all(feature = "debug", feature = "weave")),
    expect(dead_code, reason = "nothing reads the reports")
)]
pub(crate) mod features;
pub(crate) mod run_queue;
pub(crate) mod scheduler;
pub(crate) mod slow_path;
pub(crate) mod spawn;
pub(crate) mod thread_info;
pub(crate) mod wait_queue;
pub(crate) mod wait_reason;

pub(crate) use context_switch::Departure;
pub(crate) use control_block::{ControlBlock, Payload, State};
pub(crate) use current::{
    checkpoint, is_main, is_panicking, is_unwound_by, scheduler, try_scheduler,
};
pub(crate) use features::{Access, At, Cause, Object, Report};
pub(crate) use scheduler::Scheduler;
pub(crate) use spawn::{Owned, Room};
pub use thread_info::{Cancelled, ThreadId};
pub(crate) use thread_info::{ThreadInfo, ThreadRef, for_join};
pub(crate) use wait_queue::WaitQueue;
pub(crate) use wait_reason::{
    Alternative, Alternatives, External, Holder, Listed, Need, Outcome, Resource, ScopeMembers,
    Wait, WaitFor, Want,
};
