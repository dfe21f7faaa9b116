//! Cancellation: unwinding, cancel scopes, shields.

pub(crate) mod panics;
pub(crate) mod scope;
pub(crate) mod unwind;
