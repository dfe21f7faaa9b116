//! What an exploration must know of: which thread accesses which object, and how.

mod observed;
mod report;

pub(crate) use crate::kernel::{Access, Object};
pub(crate) use observed::{Accessed, Begun, Observed, Part};
pub(crate) use report::{
    Reported, also, begin, is_reported, look, note, report_also, report_location,
};
#[cfg(feature = "weave")]
pub(crate) use report::{created, tell_value};
