//! Controlled runs: a controller makes every choice of the scheduler. `weave` is built on this.

pub(crate) mod choose;
pub(crate) mod controller;
mod enabled_set;
pub(crate) mod observe;
mod path;
mod random;
pub(crate) mod run;
mod sums;
pub(crate) mod teardown;

pub(crate) use controller::{
    Awaits, Controller, EventMask, Operated, Spawn, Stuck, Suspended, Suspension, UNTOLD,
};
pub(crate) use enabled_set::{CLOCK, EnabledSet};
pub(crate) use path::{Choice, ChoicePath, Way};
pub(crate) use random::Random;
pub(crate) use run::{ATOMIC, ControlledRun, Cut, alternative, is_controlled, random_below};
pub(crate) use sums::Sums;
