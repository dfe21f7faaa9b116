//! Small programs: all programs up to a size, and all executions of each. A value is
//! neither lost nor duplicated, no thread waits that could continue, and waiters are
//! served in the order of their arrival.
//!
//! `leno::weave` explores the programs. Green threads switch only where they wait or
//! yield, so that a yield between any two operations makes the executions all
//! interleavings of the operations. The checks are in `story.rs` and in each model.
//! `LENO_MODELS=large` explores larger programs; with `--nocapture`, the number of
//! programs is printed.

mod channel;
mod condvar;
mod explore;
mod locks;
mod story;
mod trouble;
