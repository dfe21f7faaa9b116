//! Controlled runs: a controller makes every choice of the scheduler. `weave` is built on this.
//!
//! They attach to a runtime by a table of upcalls of their own, so no other layer calls them.

mod choose;
mod controlled;
mod controller;
mod enabled_set;
mod observe;
mod path;
mod run;
mod teardown;
mod upcalls;

pub(crate) use controlled::{ControlledRuntime, Cut};
pub(crate) use controller::{
    Awaits, Controller, EventMask, Operated, Spawn, Stuck, Suspended, Suspension, UNTOLD,
};
pub(crate) use enabled_set::{CLOCK, EnabledSet};
pub(crate) use path::{Choice, ChoicePath, Differs};
pub(crate) use run::ATOMIC;
