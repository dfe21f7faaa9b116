//! What depends on the operating system, with the interface of [`std::os`].

mod fd;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod unix;
