//! The scheduler and nothing else: control blocks, the run queue, the context switch, blocking and waking.

pub(crate) mod block;
pub(crate) mod context_switch;
pub(crate) mod control_block;
pub(crate) mod current;
pub(crate) mod run_queue;
pub(crate) mod scheduler;
pub(crate) mod scope_members;
pub(crate) mod slow_path;
pub(crate) mod thread_info;
pub(crate) mod wait_queue;
pub(crate) mod wait_reason;

pub(crate) use control_block::Payload;
pub(crate) use current::{checkpoint, interrupted, scheduler, try_scheduler};
pub(crate) use scheduler::Scheduler;
pub use thread_info::ThreadId;
pub(crate) use thread_info::ThreadInfo;
pub(crate) use wait_queue::WaitQueue;
pub(crate) use wait_reason::{Holder, Listed, Need, Needs, Outcome, Resource, Wait, WaitFor, Want};
