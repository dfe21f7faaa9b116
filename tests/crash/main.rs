//! Faults and overflows that end the process, and faults that must not be mistaken for
//! them.
//!
//! Each test runs a scenario in a child process, which is this binary again with the
//! test's name as its filter, and checks the signal and the exact standard error with
//! which the child ends.

// The scenarios and their reports are named after the closure of the test.
#![allow(clippy::redundant_closure)]

mod foreign;
mod handlers;
mod harness;
mod main_thread;
mod overflow_coroutine;
mod overflow_system;
mod overflow_thread;
mod panics;
#[cfg(feature = "debug")]
// A static program loads no plugin.
#[cfg(not(target_feature = "crt-static"))]
mod plugin;
mod recursion;
mod signal_stack;
mod thread_exit;

#[path = "../panic_abort/generated.rs"]
mod generated;
