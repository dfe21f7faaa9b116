//! What Unix systems have, with the interface of [`std::os::unix`].

pub mod fs;
pub mod net;
