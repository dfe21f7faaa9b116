//! Cancellation: unwinding, cancel scopes, shields.

pub(crate) mod numbers;
mod scope;
pub(crate) mod unwind;

pub use crate::kernel::Cancelled;
pub(crate) use scope::{CancelScope, block_shielded, shield, timeout};
pub(crate) use unwind::{cancel, cancel_now, cancel_thread, interrupted};
