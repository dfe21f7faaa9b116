//! What ends the process, and what must not be mistaken for it.
//!
//! Each test runs a scenario in a child process, which is this binary again with
//! the test's own name as the filter, and looks at how the child ended: by which
//! signal, and with exactly which text on standard error.

// A scenario and what the reports say of it are named after the test's closure.
#![allow(clippy::redundant_closure)]

mod foreign;
mod handlers;
mod harness;
mod main_thread;
mod overflow_coroutine;
mod overflow_system;
mod overflow_thread;
mod recursion;
mod signal_stack;
mod thread_exit;

#[path = "../panic_abort/generated.rs"]
mod generated;
