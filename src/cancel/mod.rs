//! Cancellation: unwinding, cancel scopes, shields.

pub(crate) mod panics;
pub(crate) mod scope;
pub(crate) mod unwind;

pub(crate) use panics::is_panicking;
pub(crate) use scope::{CancelScope, block_shielded, shield, timeout};
pub use unwind::Cancelled;
pub(crate) use unwind::is_unwinding;
