//! What an exploration must know of: which thread accesses which object, and how.

pub(crate) mod observe;

pub(crate) use crate::kernel::{Access, Object};
pub(crate) use observe::{
    Told, also, asked, is_eventful, look, note, note_at, operation, operation_on_all, report_also,
    tell_value,
};
