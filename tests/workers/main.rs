//! Workers: masters and workers in processes of their own, which are this binary again.

// The scenarios are named after the closures of the tests.
#![allow(clippy::redundant_closure)]

mod harness;
mod life;
mod pool;
mod replace;
mod system;
