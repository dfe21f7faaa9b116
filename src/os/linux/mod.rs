//! What Linux has, with the interface of [`std::os::linux`].

pub mod net;
