//! Controlled runs: a controller makes every choice of the scheduler.

pub(crate) mod controlled_run;
pub(crate) mod controller;
pub(crate) mod path;
pub(crate) mod report;
pub(crate) mod rerun;
pub(crate) mod teardown;
