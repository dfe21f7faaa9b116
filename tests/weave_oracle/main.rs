//! Explorations compared with independent predictions.

mod audit;
mod exact;
mod found;
mod generate;
mod interpret;
mod model;
mod program;
mod sampling;
#[path = "../it/oracle_coroutine/seed.rs"]
mod seed;
mod stable;
mod traces;
