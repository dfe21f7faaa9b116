//! Explorations against what they should come to.

mod audit;
mod found;
mod generate;
mod interpret;
mod program;
#[path = "../it/oracle_coroutine/seed.rs"]
mod seed;
