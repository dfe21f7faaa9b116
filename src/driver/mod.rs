//! How a runtime waits for what is outside its run queue: timers, other OS threads, signals.

mod idle;
mod poll;
pub(crate) mod prefetch;

pub(crate) use idle::{can_time_pass, pass_virtual_time, patience, sleep};
pub(crate) use poll::poll;
