//! Small programs, all of them up to a size, and all their executions: nothing is
//! lost, nothing comes twice, nobody waits who could go on, and who came first is
//! served first.
//!
//! They are explored by `leno::weave`. Green threads switch only where they wait or
//! yield, so a yield between any two operations makes the executions all
//! interleavings of the operations. What is
//! checked is in `story.rs` and in each model; `LENO_MODELS=large` tries larger
//! programs, and prints how many there were with `--nocapture`.

mod channel;
mod condvar;
mod explore;
mod locks;
mod story;
mod trouble;
