//! What `mailbox.rs` and `shards/queue.rs` take from the standard library. A model checker has its own types in place
//! of these.

#![forbid(unsafe_code)]

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
