//! The system's queue of events, from which a runtime learns which descriptors have become ready:
//! epoll(7) on Linux, kqueue(2) on macOS and the BSDs.
//!
//! A descriptor is added once, for both directions, and each change of its readiness is reported
//! once ("edge-triggered"): a wait needs no system call that arms it.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod kqueue;

#[cfg(target_os = "linux")]
pub(crate) use epoll::{Events, Poller};
#[cfg(not(target_os = "linux"))]
pub(crate) use kqueue::{Events, Poller};

/// What has become of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The number that the descriptor was added with.
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// After what can be read, nothing more will come.
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}
