//! The clock of a runtime, and the timers that end waits and cancel scopes.

pub(crate) mod clock;
pub(crate) mod heap;
mod instant;
pub(crate) mod timers;

pub(crate) use clock::{deadline_after, deadline_at, now};
pub use instant::Instant;
