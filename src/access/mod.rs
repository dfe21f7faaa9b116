//! What an exploration must know of: which thread uses which object, and how.

pub(crate) mod access;

pub(crate) use access::{
    Access, Object, Told, also, asked, is_eventful, note, note_at, operation, operation_on_all,
    tell_value,
};
