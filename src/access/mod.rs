//! What an exploration must know of: which thread accesses which object, and how.

mod observed;
pub(crate) mod report;

pub(crate) use crate::kernel::{Access, Object};
pub(crate) use observed::{Accessed, Begun, Observed, Part};
#[cfg(feature = "weave")]
pub(crate) use report::show_value;
pub(crate) use report::{
    Reported, also, begin, is_reported, look, note, note_atomic, object_of, report_also,
    report_location, tell_value,
};
