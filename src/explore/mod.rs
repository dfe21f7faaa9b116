//! Controlled runs: a controller makes every choice of the scheduler.

pub(crate) mod controlled_run;
pub(crate) mod controller;
pub(crate) mod path;
pub(crate) mod report;
pub(crate) mod rerun;
pub(crate) mod teardown;

pub(crate) use controlled_run::{Cut, Ready, alternative, random_below};
pub(crate) use controller::{
    Awaits, CLOCK, Director, Operated, Spawn, Stuck, Suspended, Suspension, UNTOLD, Wants, letters,
};
pub(crate) use path::{Choice, Track};
