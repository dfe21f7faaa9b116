//! What depends on the operating system, with the interface of [`std::os`].

mod fd;
pub mod unix;
