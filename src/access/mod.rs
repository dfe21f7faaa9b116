//! What an exploration must know of: which thread accesses which object, and how.

pub(crate) mod observe;

pub(crate) use crate::kernel::{Access, Object};
#[cfg(feature = "weave")]
pub(crate) use observe::tell_value;
pub(crate) use observe::{
    Told, also, asked, is_eventful, look, note, note_at, operation, operation_on_all, report_also,
};
