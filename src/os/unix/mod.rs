//! What Unix systems have, with the interface of [`std::os::unix`].

pub mod fs;
pub mod net;
pub mod process;

#[cfg(all(test, target_os = "linux"))]
mod ring_tests;
