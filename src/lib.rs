//! leno
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

#[path = "../arch/mod.rs"]
mod arch;
pub mod coroutine;
mod runtime;
pub mod stack;
mod sys;
pub mod thread;

pub use runtime::run;
pub use thread::{scope, spawn, yield_now};
