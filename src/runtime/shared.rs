//! What `mailbox.rs` takes from the standard library. A model checker has its own
//! in place of these.

#![forbid(unsafe_code)]

pub(super) use std::sync::Mutex;
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
