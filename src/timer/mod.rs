//! The clock of a runtime, and the timers that wait for it.

pub(crate) mod clock;
pub(crate) mod heap;
pub(crate) mod instant;

pub(crate) use clock::{deadline_after, deadline_at, now};
pub use instant::Instant;
