//! The clock of a runtime, and the timers that end waits and cancel scopes.

pub(crate) mod clock;
pub(crate) mod heap;
mod instant;
mod now;
mod slice;
pub(crate) mod timers;

pub use instant::Instant;
pub(crate) use now::{clock, deadline_after, deadline_at, now, refresh, time};
pub(crate) use timers::is_slice_over;
