//! What an exploration must know of: which thread uses which object, and how.

pub(crate) mod access;
